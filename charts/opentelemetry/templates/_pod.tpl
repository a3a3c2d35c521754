{{/*
The checksum starts new pods when the configuration changes. EKS's webhook gives the role to the agent alone: the
collector needs no AWS.
*/}}
{{- define "opentelemetry.podAnnotations" -}}
{{- $own := dict "checksum/config" (include "opentelemetry.config" . | sha256sum) -}}
{{- $own = set $own "eks.amazonaws.com/skip-containers" "collector" -}}
{{- merge $own .Values.podAnnotations | toYaml -}}
{{- end -}}

{{- define "opentelemetry.pod" -}}
serviceAccountName: {{ include "opentelemetry.serviceAccountName" . }}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # The key's file has mode 0440 and this group, by which the collector reads what the agent owns.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
initContainers:
  # A native sidecar: the collector starts only after its startup probe, that is, when the key is there. A collector
  # that starts without the file would send an empty key for ever.
  - {{ include "opentelemetry.agent" . | nindent 4 | trim }}
containers:
  - {{ include "opentelemetry.collector" . | nindent 4 | trim }}
volumes:
  - name: key
    emptyDir:
      medium: Memory
      sizeLimit: 1Mi
  - name: config
    configMap:
      name: {{ include "opentelemetry.componentName" . }}
  {{- if .Values.aws.projectToken }}
  - name: aws-token
    projected:
      sources:
        - serviceAccountToken:
            audience: sts.amazonaws.com
            expirationSeconds: 86400
            path: token
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.agent" -}}
name: pinnace-agent
image: {{ include "opentelemetry.image" (list .Values.pinnace.image .Chart.Version) | quote }}
imagePullPolicy: {{ .Values.pinnace.image.pullPolicy }}
restartPolicy: Always
args: [run]
env:
  {{- with .Values.pinnace.appConfig }}
  - name: PINNACE_APPCONFIG
    value: {{ printf "%s/%s/%s" .application .environment .profile | quote }}
  {{- end }}
  - name: PINNACE_TOKEN_FILES
    value: /var/run/pinnace/private_key=private_key
  - name: PINNACE_MODE
    value: "0440"
  - name: PINNACE_POLL_INTERVAL
    value: {{ .Values.pinnace.pollInterval | quote }}
  - name: PINNACE_LOG_LEVEL
    value: {{ .Values.pinnace.logLevel }}
  - name: GOMEMLIMIT
    value: {{ include "opentelemetry.goMemLimit" .Values.pinnace.resources.limits.memory }}
  {{- with .Values.aws.region }}
  - name: AWS_REGION
    value: {{ . | quote }}
  {{- end }}
  {{- if .Values.aws.projectToken }}
  - name: AWS_ROLE_ARN
    value: {{ .Values.aws.roleArn | quote }}
  - name: AWS_WEB_IDENTITY_TOKEN_FILE
    value: /var/run/secrets/pinnace/token
  - name: AWS_STS_REGIONAL_ENDPOINTS
    value: {{ ternary "regional" "legacy" .Values.aws.stsRegionalEndpoints }}
  {{- end }}
  {{- range $name, $value := .Values.pinnace.extraEnv }}
  - name: {{ $name | quote }}
    value: {{ $value | quote }}
  {{- end }}
startupProbe:
  exec:
    command: [/pinnace-agent, ready]
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  exec:
    command: [/pinnace-agent, ready]
  periodSeconds: 10
  timeoutSeconds: 5
resources:
  {{- toYaml .Values.pinnace.resources | nindent 2 }}
securityContext:
  {{- include "opentelemetry.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: key
    mountPath: /var/run/pinnace
  {{- if .Values.aws.projectToken }}
  - name: aws-token
    mountPath: /var/run/secrets/pinnace
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "opentelemetry.collector" -}}
name: collector
image: {{ include "opentelemetry.image" (list .Values.image .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [--config=/etc/otelcol/collector.yaml]
env:
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  - name: GOMEMLIMIT
    value: {{ include "opentelemetry.goMemLimit" .Values.resources.limits.memory }}
  {{- range $name, $value := .Values.extraEnv }}
  - name: {{ $name | quote }}
    value: {{ $value | quote }}
  {{- end }}
ports:
  - name: otlp-grpc
    containerPort: 4317
  - name: otlp-http
    containerPort: 4318
  - name: health
    containerPort: 13133
startupProbe:
  httpGet:
    path: /
    port: health
  periodSeconds: 1
  failureThreshold: 60
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
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  # Not the agent's user: the collector reads the key by group and owns nothing.
  runAsUser: 10001
  runAsGroup: 10001
  {{- include "opentelemetry.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: key
    mountPath: /var/run/pinnace
    readOnly: true
  - name: config
    mountPath: /etc/otelcol
    readOnly: true
{{- end -}}
