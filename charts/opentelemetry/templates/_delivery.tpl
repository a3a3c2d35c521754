{{/* How the key reaches the collector: file, process or existingSecret. _validate.tpl refuses none and several. */}}
{{- define "opentelemetry.delivery" -}}
{{- range $way, $settings := .Values.keyDelivery -}}
{{- if $settings.enabled -}}{{- $way -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* EKS's webhook gives the role to every container but these: to the one that fetches the key alone. */}}
{{- define "opentelemetry.skipContainers" -}}
{{- get (dict "file" "collector" "process" "pinnace-install") (include "opentelemetry.delivery" .) -}}
{{- end -}}

{{- define "opentelemetry.initContainers" -}}
{{- $way := include "opentelemetry.delivery" . -}}
{{- if eq $way "file" }}
# A native sidecar: the collector starts only after its startup probe, that is, when the key is there.
- {{ include "opentelemetry.sidecar" . | nindent 2 | trim }}
{{- else if eq $way "process" }}
# The collector's image has no shell; this brings the program that starts it.
- {{ include "opentelemetry.install" . | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.agentImage" -}}
image: {{ include "opentelemetry.image" (list .Values.pinnace.image .Chart.Version) | quote }}
imagePullPolicy: {{ .Values.pinnace.image.pullPolicy }}
{{- end -}}

{{- define "opentelemetry.sidecar" -}}
name: pinnace-agent
{{ include "opentelemetry.agentImage" . }}
restartPolicy: Always
args: [run]
env:
  {{- include "opentelemetry.agentEnv" . | nindent 2 }}
  - name: PINNACE_TOKEN_FILES
    value: /var/run/pinnace/private_key=private_key
  - name: PINNACE_MODE
    value: "0440"
  - name: GOMEMLIMIT
    value: {{ include "opentelemetry.goMemLimit" .Values.pinnace.resources.limits.memory }}
  {{- with include "opentelemetry.caEnv" . }}
  {{- trim . | nindent 2 }}
  {{- end }}
ports:
  - name: agent-status
    containerPort: 9474
startupProbe:
  exec:
    command: [/pinnace-agent, ready]
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  httpGet:
    path: /readyz
    port: agent-status
  periodSeconds: 10
  timeoutSeconds: 5
resources:
  {{- toYaml .Values.pinnace.resources | nindent 2 }}
securityContext:
  {{- include "opentelemetry.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: key
    mountPath: /var/run/pinnace
  {{- with include "opentelemetry.agentMounts" . }}
  {{- trim . | nindent 2 }}
  {{- end }}
  {{- with include "opentelemetry.caMount" . }}
  {{- trim . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "opentelemetry.install" -}}
name: pinnace-install
{{ include "opentelemetry.agentImage" . }}
args: [install, /pinnace]
resources:
  {{- toYaml .Values.pinnace.resources | nindent 2 }}
securityContext:
  {{- include "opentelemetry.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: program
    mountPath: /pinnace
{{- end -}}

{{/* What the agent follows, and as whom. POD_IP comes first: what follows refers to it. */}}
{{- define "opentelemetry.agentEnv" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: PINNACE_STATUS
  value: "[$(POD_IP)]:9474"
{{ include "opentelemetry.agentSource" . }}
{{- end -}}

{{- define "opentelemetry.agentSource" -}}
{{- with .Values.pinnace.appConfig -}}
- name: PINNACE_APPCONFIG
  value: {{ printf "%s/%s/%s" .application .environment .profile | quote }}
{{- end }}
- name: PINNACE_POLL_INTERVAL
  value: {{ .Values.pinnace.pollInterval | quote }}
- name: PINNACE_LOG_LEVEL
  value: {{ .Values.pinnace.logLevel }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- if .Values.aws.projectToken }}
- name: AWS_ROLE_ARN
  value: {{ .role.account.roleArn | quote }}
- name: AWS_WEB_IDENTITY_TOKEN_FILE
  value: /var/run/secrets/pinnace/token
- name: AWS_STS_REGIONAL_ENDPOINTS
  value: {{ ternary "regional" "legacy" .Values.aws.stsRegionalEndpoints }}
{{- end }}
{{- range $name, $value := .Values.pinnace.extraEnv }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.agentMounts" -}}
{{- if .Values.aws.projectToken }}
- name: aws-token
  mountPath: /var/run/secrets/pinnace
  readOnly: true
{{- end }}
{{- end -}}

{{/* What the container that starts the collector needs in the mode process. */}}
{{- define "opentelemetry.processEnv" -}}
{{ include "opentelemetry.agentEnv" . }}
- name: PINNACE_ENV
  value: CORALOGIX_PRIVATE_KEY=private_key
- name: PINNACE_GRACE
  value: {{ sub (int .Values.terminationGracePeriodSeconds) 5 | max 1 }}s
{{- end -}}

{{- define "opentelemetry.secretEnv" -}}
- name: CORALOGIX_PRIVATE_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.keyDelivery.existingSecret.name }}
      key: {{ .Values.keyDelivery.existingSecret.key }}
{{- end -}}

{{- define "opentelemetry.deliveryVolumes" -}}
{{- $way := include "opentelemetry.delivery" . -}}
{{- if eq $way "file" }}
- name: key
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- else if eq $way "process" }}
- name: program
  emptyDir:
    sizeLimit: 64Mi
{{- end }}
{{- if ne $way "existingSecret" }}
{{- include "opentelemetry.tokenVolume" . }}
{{- end }}
{{- end -}}

{{/* The service account's token for AWS, where EKS's webhook does not mount it. */}}
{{- define "opentelemetry.tokenVolume" -}}
{{- if .Values.aws.projectToken }}
- name: aws-token
  projected:
    sources:
      - serviceAccountToken:
          audience: sts.amazonaws.com
          expirationSeconds: 86400
          path: token
{{- end }}
{{- end -}}
