package shape

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
)

// loadBalancing is the documented configuration of the load balancing exporter. What it hands to its OTLP exporters and
// its queue are the collector's real ones.
type loadBalancing struct {
	Timeout           exporterhelper.TimeoutConfig                             `mapstructure:",squash"`
	Retry             configretry.BackOffConfig                                `mapstructure:"retry_on_failure"`
	Queue             configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	Protocol          protocol                                                 `mapstructure:"protocol"`
	Resolver          resolver                                                 `mapstructure:"resolver"`
	RoutingKey        string                                                   `mapstructure:"routing_key"`
	RoutingAttributes []string                                                 `mapstructure:"routing_attributes"`
}

type protocol struct {
	OTLP otlpexporter.Config `mapstructure:"otlp"`
}

type resolver struct {
	Static *struct {
		Hostnames []string `mapstructure:"hostnames"`
	} `mapstructure:"static"`
	DNS *struct {
		Hostname string        `mapstructure:"hostname"`
		Port     string        `mapstructure:"port"`
		Interval time.Duration `mapstructure:"interval"`
		Timeout  time.Duration `mapstructure:"timeout"`
	} `mapstructure:"dns"`
	Kubernetes *struct {
		Service         string        `mapstructure:"service"`
		Ports           []int32       `mapstructure:"ports"`
		Timeout         time.Duration `mapstructure:"timeout"`
		ReturnHostnames bool          `mapstructure:"return_hostnames"`
	} `mapstructure:"k8s"`
}

// Validate wants somebody to send to, and a routing key that the documentation names.
func (c *loadBalancing) Validate() error {
	switch r := c.Resolver; {
	case r.DNS != nil && r.DNS.Hostname == "":
		return errors.New("resolver.dns: there is no hostname")
	case r.Static != nil && len(r.Static.Hostnames) == 0:
		return errors.New("resolver.static: there are no hostnames")
	case r.Kubernetes != nil && r.Kubernetes.Service == "":
		return errors.New("resolver.k8s: there is no service")
	case r.DNS == nil && r.Static == nil && r.Kubernetes == nil:
		return errors.New("there is no resolver")
	}
	return oneOf("routing_key", c.RoutingKey, "traceID", "service", "metric", "resource", "attributes", "streamID")
}

// LoadBalancing is the shape of the load balancing exporter, by the name that its release has.
func LoadBalancing(name string) exporter.Factory {
	config := func() component.Config {
		otlp := otlpexporter.NewFactory().CreateDefaultConfig().(*otlpexporter.Config)
		otlp.ClientConfig.Endpoint = "each.backend:4317" // which the resolver gives
		return &loadBalancing{
			Timeout:  exporterhelper.NewDefaultTimeoutConfig(),
			Retry:    configretry.NewDefaultBackOffConfig(),
			Queue:    configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
			Protocol: protocol{OTLP: *otlp},
		}
	}
	return exporter.NewFactory(component.MustNewType(name), config,
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			return standIn(), nil
		}, component.StabilityLevelUnmaintained),
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return standIn(), nil
		}, component.StabilityLevelUnmaintained),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return standIn(), nil
		}, component.StabilityLevelUnmaintained),
	)
}
