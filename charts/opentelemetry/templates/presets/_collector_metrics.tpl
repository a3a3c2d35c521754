{{/* The collector sends its own metrics to itself, inside the pod, and from there like all others. */}}
{{- define "opentelemetry.preset.collectorMetrics" -}}
receivers:
  otlp/own:
    protocols:
      grpc:
        endpoint: localhost:14317
readers:
  - periodic:
      interval: {{ mul 1000 (trimSuffix "s" .Values.presets.collectorMetrics.interval | int) }}
      exporter:
        otlp:
          protocol: grpc
          endpoint: http://localhost:14317
pipelines:
  metrics: {receivers: [otlp/own]}
{{- end -}}
