{{/* The collector's configuration: what every role has, and what its presets bring. */}}
{{- define "opentelemetry.config" -}}
extensions:
  health_check:
    endpoint: "[${env:POD_IP}]:13133"
  {{- include "opentelemetry.authenticator" . | nindent 2 }}
  {{- include "opentelemetry.storage" . | nindent 2 }}
  {{- with .role.extensions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
receivers:
  {{- toYaml .role.receivers | nindent 2 }}
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 25
  {{- include "opentelemetry.resource" . | nindent 2 }}
  {{- with .role.processors }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
exporters:
  {{- include "opentelemetry.exporters" . | trim | nindent 2 }}
service:
  extensions: {{ concat (list "health_check" "bearertokenauth" "file_storage/queue") (keys .role.extensions | sortAlpha) | toJson }}
  telemetry:
    {{- include "opentelemetry.telemetry" . | nindent 4 }}
  pipelines:
    {{- include "opentelemetry.pipelines" . | trim | nindent 4 }}
{{- end -}}

{{/*
The key is in the configuration only as the path of a file, which is read again whenever the agent replaces it, or as a
variable in a field that the collector prints as [REDACTED]. A collector that starts without the file would send an empty
key for ever; the newer ones can wait for it.
*/}}
{{- define "opentelemetry.authenticator" -}}
bearertokenauth:
  {{- if not .Values.keyDelivery.file.enabled }}
  token: ${env:CORALOGIX_PRIVATE_KEY}
  {{- else }}
  filename: /var/run/pinnace/private_key
  {{- if eq "true" (include "opentelemetry.collectorSince" (list "0.165.0" .)) }}
  wait_for_token_file: true
  retry_on_failure:
    enabled: true
    interval: 1s
  {{- end }}
  {{- end }}
{{- end -}}

{{/*
The queue's database. Without fsync what is written survives the death of the process, which is what is promised, and not
that of the node. A database that such a death has broken is put aside.
*/}}
{{- define "opentelemetry.storage" -}}
file_storage/queue:
  directory: /var/lib/otelcol/queue
  create_directory: true
  recreate: true
  fsync: false
  compaction:
    directory: /var/lib/otelcol/queue
    on_start: true
    cleanup_on_start: true
    on_rebound: true
    rebound_needed_threshold_mib: 128
    rebound_trigger_threshold_mib: 16
{{- end -}}

{{- define "opentelemetry.resource" -}}
resource:
  attributes:
    - key: k8s.cluster.name
      value: {{ .Values.clusterName | quote }}
      action: insert
    {{- if eq .role.name "agent" }}
    - key: k8s.node.name
      value: ${env:NODE_NAME}
      action: insert
    {{- end }}
    {{- range $key, $value := .Values.resourceAttributes }}
    - key: {{ $key | quote }}
      value: {{ $value | quote }}
      action: insert
    {{- end }}
{{- end -}}

{{/* Own metrics can be scraped in any case. What the collector says of itself has its pod's name. */}}
{{- define "opentelemetry.telemetry" -}}
logs:
  level: {{ .Values.logLevel }}
metrics:
  level: normal
  readers:
    - pull:
        exporter:
          prometheus:
            host: ${env:POD_IP}
            port: 8888
    {{- with .role.readers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- $self := dict "k8s.namespace.name" .Release.Namespace "k8s.pod.name" "${env:POD_NAME}" "k8s.node.name" "${env:NODE_NAME}" }}
resource:
  {{- if eq "true" (include "opentelemetry.collectorSince" (list "0.165.0" .)) }}
  attributes:
    {{- range $name, $value := $self }}
    - {name: {{ $name }}, value: {{ $value | quote }}}
    {{- end }}
  {{- else }}
  {{- toYaml $self | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Signals that nothing brings have no pipeline. */}}
{{- define "opentelemetry.pipelines" -}}
{{- range $signal := list "traces" "metrics" "logs" }}
{{- with index $.role.pipelines $signal }}
{{- if .receivers }}
{{ $signal }}:
  receivers: {{ toJson .receivers }}
  processors: {{ concat (list "memory_limiter" "resource") .processors | toJson }}
  exporters: [{{ include "opentelemetry.exporter" (list $signal $) }}]
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
