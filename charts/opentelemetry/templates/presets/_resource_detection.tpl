{{- define "opentelemetry.preset.resourceDetection" -}}
{{- $detectors := .Values.presets.resourceDetection.detectors -}}
{{- $processor := include "opentelemetry.component" (list "resource_detection" "resourcedetection" .) -}}
processors:
  {{ $processor }}:
    detectors: {{ toJson $detectors }}
    timeout: 15s
    override: false
    {{- if has "eks" $detectors }}
    eks:
      node_from_env_var: NODE_NAME
    {{- end }}
pipelines:
  {{- range list "traces" "metrics" "logs" }}
  {{ . }}: {processors: [{{ $processor }}]}
  {{- end }}
{{- end -}}
