// Package origin tells which module a component's code is of.
package origin

import (
	"reflect"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/collector/component"
)

// Of maps each component to its module and version, for the command "components".
func Of[F component.Factory](factories map[component.Type]F) map[component.Type]string {
	of := map[component.Type]string{}
	info, _ := debug.ReadBuildInfo()
	for name, factory := range factories {
		of[name] = module(info, reflect.TypeOf(factory.CreateDefaultConfig()).Elem().PkgPath())
	}
	return of
}

func module(info *debug.BuildInfo, pkg string) string {
	var longest debug.Module
	for _, m := range info.Deps {
		if (pkg == m.Path || strings.HasPrefix(pkg, m.Path+"/")) && len(m.Path) > len(longest.Path) {
			longest = *m
		}
	}
	return longest.Path + " " + longest.Version
}
