{{/*
An agent watches the pods of its own node. A gateway without agents has the whole cluster to watch. Names of workloads
come from the pods' owners; only that of a Deployment needs its ReplicaSets.
*/}}
{{- define "opentelemetry.preset.kubernetesAttributes" -}}
{{- $processor := include "opentelemetry.component" (list "k8s_attributes" "k8sattributes" .) -}}
processors:
  {{ $processor }}:
    auth_type: serviceAccount
    {{- if eq .role.name "agent" }}
    filter:
      node_from_env_var: NODE_NAME
    {{- end }}
    extract:
      metadata:
        - k8s.namespace.name
        - k8s.pod.name
        - k8s.pod.uid
        - k8s.pod.start_time
        - k8s.deployment.name
        - k8s.statefulset.name
        - k8s.daemonset.name
        - k8s.job.name
        - k8s.cronjob.name
        - k8s.node.name
    pod_association:
      - sources: [{from: resource_attribute, name: k8s.pod.uid}]
      - sources: [{from: resource_attribute, name: k8s.pod.ip}]
      - sources: [{from: connection}]
pipelines:
  {{- range list "traces" "metrics" "logs" }}
  {{ . }}: {processors: [{{ $processor }}]}
  {{- end }}
rules:
  - apiGroups: [""]
    resources: [namespaces, pods]
    verbs: [get, list, watch]
  - apiGroups: [apps]
    resources: [replicasets]
    verbs: [get, list, watch]
{{- end -}}
