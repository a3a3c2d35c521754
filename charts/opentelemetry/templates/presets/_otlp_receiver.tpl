{{/* Brackets around the address serve IPv4 and IPv6 alike. */}}
{{- define "opentelemetry.preset.otlpReceiver" -}}
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: "[${env:POD_IP}]:4317"
      http:
        endpoint: "[${env:POD_IP}]:4318"
pipelines:
  traces: {receivers: [otlp]}
  metrics: {receivers: [otlp]}
  logs: {receivers: [otlp]}
{{- end -}}
