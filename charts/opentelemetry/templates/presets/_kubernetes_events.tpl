{{- define "opentelemetry.preset.kubernetesEvents" -}}
receivers:
  k8sobjects:
    auth_type: serviceAccount
    objects:
      - name: events
        group: events.k8s.io
        mode: watch
        exclude_watch_type: [DELETED]
pipelines:
  logs: {receivers: [k8sobjects]}
rules:
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [list, watch]
{{- end -}}
