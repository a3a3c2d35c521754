{{- define "opentelemetry.preset.kubernetesEvents" -}}
{{- $receiver := include "opentelemetry.component" (list "k8s_objects" "k8sobjects" .) -}}
receivers:
  {{ $receiver }}:
    auth_type: serviceAccount
    objects:
      - name: events
        group: events.k8s.io
        mode: watch
        exclude_watch_type: [DELETED]
pipelines:
  logs: {receivers: [{{ $receiver }}]}
rules:
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [list, watch]
{{- end -}}
