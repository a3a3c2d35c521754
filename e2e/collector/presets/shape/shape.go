// Package shape has stand-ins for components of the collector that cannot be had as modules. Each is registered under
// the real component's name and has the fields that its documentation gives, so that a collector's own validate refuses
// fields and values which the real one has not, and checks that pipelines fit. It is no more than that shape: it does
// not start.
package shape

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
)

var errShape = errors.New("this is only the shape of the real component's configuration: validate it, do not run it")

// nothing is every stand-in: it takes any signal, and refuses to start.
type nothing struct {
	component.ShutdownFunc
	consumertest.Consumer
}

func (nothing) Start(context.Context, component.Host) error { return errShape }

func (nothing) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func standIn() nothing { return nothing{Consumer: consumertest.NewNop()} }

// oneOf refuses a value that a field does not have; empty is its default.
func oneOf(field, value string, values ...string) error {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %q", field, value, values)
}
