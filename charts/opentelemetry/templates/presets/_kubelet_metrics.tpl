{{- define "opentelemetry.preset.kubeletMetrics" -}}
{{- $preset := .Values.presets.kubeletMetrics -}}
{{- $receiver := include "opentelemetry.component" (list "kubelet_stats" "kubeletstats" .) -}}
receivers:
  {{ $receiver }}:
    collection_interval: {{ $preset.collectionInterval }}
    auth_type: serviceAccount
    endpoint: https://${env:NODE_NAME}:10250
    insecure_skip_verify: {{ $preset.insecureSkipVerify }}
    metric_groups: [node, pod, container, volume]
pipelines:
  metrics: {receivers: [{{ $receiver }}]}
rules:
  - apiGroups: [""]
    resources: [nodes/stats]
    verbs: [get]
{{- end -}}
