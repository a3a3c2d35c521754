{{/*
Every exporter takes its batches from a queue on disk: what the receiver has acknowledged is there, and nowhere only in
memory, as it would be with the batch processor before the queue. Its size counts bytes, so that it stays below that of
the volume. Batches are made of what leaves the queue, by bytes, too: an ingress refuses messages that are too long. What
does not fit is refused at the receiver, where the sender sees it; what fails is tried again for ever.
*/}}
{{- define "opentelemetry.queue" -}}
sending_queue:
  enabled: true
  storage: file_storage/queue
  sizer: bytes
  queue_size: {{ mul 1048576 (include "opentelemetry.mebibytes" .role.queue.size | int) }}
  batch:
    sizer: bytes
    flush_timeout: 200ms
    min_size: 524288
    max_size: 2097152
retry_on_failure:
  enabled: true
  max_elapsed_time: 0s
{{- end -}}

{{/* Takes a signal and the scope. Agents send traces through the gateway, when there is one. */}}
{{- define "opentelemetry.exporter" -}}
{{- $scope := index . 1 -}}
{{- $otlp := include "opentelemetry.component" (list "otlp_grpc" "otlp" $scope) -}}
{{- $gateway := and (eq $scope.role.name "agent") $scope.Values.gateway.enabled -}}
{{- if not (and $gateway (eq (index . 0) "traces")) -}}
{{- $otlp -}}
{{- else if $scope.Values.presets.tailSampling.enabled -}}
{{- include "opentelemetry.component" (list "load_balancing" "loadbalancing" $scope) -}}
{{- else -}}
{{- $otlp -}}/gateway
{{- end -}}
{{- end -}}

{{/* The exporters that the pipelines use. */}}
{{- define "opentelemetry.exporters" -}}
{{- $used := list -}}
{{- range $signal, $pipeline := .role.pipelines -}}
{{- if $pipeline.receivers -}}
{{- $used = append $used (include "opentelemetry.exporter" (list $signal $)) -}}
{{- end -}}
{{- end -}}
{{- range $used | uniq | sortAlpha }}
{{ . }}:
  {{- $kind := "coralogix" -}}
  {{- if hasSuffix "/gateway" . -}}{{- $kind = "gateway" -}}{{- end -}}
  {{- if hasPrefix "load" . -}}{{- $kind = "peers" -}}{{- end -}}
  {{- include (printf "opentelemetry.exporter.%s" $kind) $ | nindent 2 }}
  {{- include "opentelemetry.queue" $ | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.exporter.coralogix" -}}
endpoint: {{ include "opentelemetry.endpoint" . | quote }}
auth:
  authenticator: bearertokenauth
headers:
  CX-Application-Name: {{ .Values.coralogix.applicationName | quote }}
  CX-Subsystem-Name: {{ .Values.coralogix.subsystemName | quote }}
{{- end -}}

{{/* Any pod of the gateway will do. The way there is inside the cluster and in the clear. */}}
{{- define "opentelemetry.exporter.gateway" -}}
endpoint: dns:///{{ include "opentelemetry.peers" . }}.{{ .Release.Namespace }}.svc:4317
balancer_name: round_robin
tls:
  insecure: true
{{- end -}}

{{/*
All spans of a trace go to the same pod, which decides about it. The queue is before the choice: when a pod goes away, what
it has not taken is sent to another.
*/}}
{{- define "opentelemetry.exporter.peers" -}}
routing_key: traceID
resolver:
  dns:
    hostname: {{ include "opentelemetry.peers" . }}.{{ .Release.Namespace }}.svc
    port: "4317"
protocol:
  otlp:
    tls:
      insecure: true
    sending_queue:
      enabled: false
    retry_on_failure:
      enabled: false
{{- end -}}
