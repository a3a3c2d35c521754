package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/plugin"
)

func (a *app) pluginCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "plugin DIR",
		Short: "Make Helm plugins of pinnace, for Helm 3 and Helm 4",
		Long: "Write two folders below DIR that `helm plugin install` takes as they are: pinnace brings these verbs to\n" +
			"Helm, as `helm pinnace publish`; pinnace-getter lets Helm read s3:// and file:// repositories, and is all\n" +
			"that a machine needs that only installs charts.\n\n" +
			"Exit status 2: a program is missing.",
		Example: "  pinnace plugin ./helm-plugins\n" +
			"  helm plugin install ./helm-plugins/pinnace\n" +
			"  helm plugin install ./helm-plugins/pinnace-getter\n" +
			"  helm repo add stable s3://acme-charts/stable",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.plugin(args[0], from) },
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of pinnace and pinnace-getter (default: that of this program)")
	return cmd
}

func (a *app) plugin(dir, from string) error {
	if from == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding this program: %w", err)
		}
		from = filepath.Dir(self)
	}
	version, err := plugin.LayOut(dir, from)
	if err != nil {
		return err
	}
	folders := make([]string, len(plugin.Names))
	for i, name := range plugin.Names {
		folders[i] = filepath.Join(dir, name)
	}
	if a.output == "json" {
		return a.printJSON(map[string]any{"version": version, "folders": folders})
	}
	for _, folder := range folders {
		if _, err := fmt.Fprintf(a.Out, "helm plugin install %s\n", folder); err != nil {
			return err
		}
	}
	return nil
}
