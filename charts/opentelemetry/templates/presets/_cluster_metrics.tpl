{{/* Volumes are watched from 0.151.0 on. The group extensions, which the receiver's page names, is of Kubernetes before 1.22. */}}
{{- define "opentelemetry.preset.clusterMetrics" -}}
receivers:
  k8s_cluster:
    auth_type: serviceAccount
    collection_interval: {{ .Values.presets.clusterMetrics.collectionInterval }}
    node_conditions_to_report: [Ready, MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable]
    allocatable_types_to_report: [cpu, memory, ephemeral-storage, pods]
pipelines:
  metrics: {receivers: [k8s_cluster]}
rules:
  - apiGroups: [""]
    resources:
      - events
      - namespaces
      - namespaces/status
      - nodes
      - nodes/spec
      {{- if eq "true" (include "opentelemetry.collectorSince" (list "0.151.0" .)) }}
      - persistentvolumeclaims
      - persistentvolumes
      {{- end }}
      - pods
      - pods/status
      - replicationcontrollers
      - replicationcontrollers/status
      - resourcequotas
      - services
    verbs: [get, list, watch]
  - apiGroups: [apps]
    resources: [daemonsets, deployments, replicasets, statefulsets]
    verbs: [get, list, watch]
  - apiGroups: [batch]
    resources: [cronjobs, jobs]
    verbs: [get, list, watch]
  - apiGroups: [autoscaling]
    resources: [horizontalpodautoscalers]
    verbs: [get, list, watch]
{{- end -}}
