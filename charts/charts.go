// Package charts embeds the charts that pinnace ships, so that the demo publishes the very chart of the repository.
package charts

import "embed"

// FS holds a folder a chart, named as the chart.
//
//go:embed all:opentelemetry
var FS embed.FS
