{{/*
The collector sends its own metrics to itself, inside the pod, and from there like all others. When it ends, its receivers
end first and the last of them finds nobody: the short time to wait keeps that from delaying the end.
*/}}
{{- define "opentelemetry.preset.collectorMetrics" -}}
receivers:
  otlp/own:
    protocols:
      grpc:
        endpoint: localhost:14317
readers:
  - periodic:
      interval: {{ mul 1000 (trimSuffix "s" .Values.presets.collectorMetrics.interval | int) }}
      timeout: 1000
      exporter:
        otlp:
          timeout: 1000
          protocol: grpc
          endpoint: http://localhost:14317
pipelines:
  metrics: {receivers: [otlp/own]}
{{- end -}}
