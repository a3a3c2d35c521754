{{- define "opentelemetry.collector" -}}
{{- $way := include "opentelemetry.delivery" . -}}
{{- $config := "--config=/etc/otelcol/collector.yaml" -}}
name: collector
image: {{ include "opentelemetry.image" (list .Values.image .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq $way "process" }}
command: [/pinnace/pinnace-agent]
args: {{ concat (list "run" "--") .Values.keyDelivery.process.command (list $config) | toJson }}
{{- else }}
args: [{{ $config }}]
{{- end }}
env:
  {{- include "opentelemetry.collectorEnv" . | trim | nindent 2 }}
ports:
  {{- include "opentelemetry.collectorPorts" . | nindent 2 }}
startupProbe:
  httpGet:
    path: /
    port: health
  periodSeconds: 1
  failureThreshold: {{ ternary 120 60 (eq $way "process") }}
livenessProbe:
  httpGet:
    path: /
    port: health
  periodSeconds: 10
readinessProbe:
  httpGet:
    path: /
    port: health
  periodSeconds: 5
resources:
  {{- toYaml .role.resources | nindent 2 }}
securityContext:
  {{- include "opentelemetry.collectorSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "opentelemetry.collectorMounts" . | nindent 2 }}
{{- end -}}

{{- define "opentelemetry.collectorEnv" -}}
{{- $way := include "opentelemetry.delivery" . -}}
{{- if eq $way "process" }}
{{- include "opentelemetry.processEnv" . }}
{{- else }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- if eq $way "existingSecret" }}
{{ include "opentelemetry.secretEnv" . }}
{{- end }}
- name: GOMEMLIMIT
  value: {{ include "opentelemetry.goMemLimit" .role.resources.limits.memory }}
{{- include "opentelemetry.caEnv" . }}
{{- range $name, $value := .role.extraEnv }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.collectorPorts" -}}
{{- if .role.receivers.otlp -}}
- name: otlp-grpc
  containerPort: 4317
- name: otlp-http
  containerPort: 4318
{{ end -}}
- name: health
  containerPort: 13133
- name: metrics
  containerPort: 8888
{{- if eq "process" (include "opentelemetry.delivery" .) }}
- name: agent-status
  containerPort: 9474
{{- end }}
{{- end -}}

{{- define "opentelemetry.collectorSecurity" -}}
{{- if .role.root -}}
# The kubelet and the runtime write the node's log files as root, who reads its own without a capability. DAC_READ_SEARCH
# would read those of others, too, and with open_by_handle_at(2) every file of a file system of which one folder is mounted.
runAsNonRoot: false
runAsUser: 0
runAsGroup: 0
{{ include "opentelemetry.containerSecurity" . }}
{{- else -}}
# Not the agent's user: the collector reads the key by group and owns nothing.
runAsUser: 10001
runAsGroup: 10001
{{ include "opentelemetry.containerSecurity" . }}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.collectorMounts" -}}
{{- $way := include "opentelemetry.delivery" . -}}
- name: config
  mountPath: /etc/otelcol
  readOnly: true
- name: state
  mountPath: /var/lib/otelcol
{{- if eq $way "file" }}
- name: key
  mountPath: /var/run/pinnace
  readOnly: true
{{- else if eq $way "process" }}
- name: program
  mountPath: /pinnace
  readOnly: true
{{- include "opentelemetry.agentMounts" . }}
{{- end }}
{{- if .role.rules }}
- name: kubernetes-api
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}
{{- include "opentelemetry.caMount" . }}
{{- with .role.mounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
