{{/* The checksum starts new pods when the configuration changes. */}}
{{- define "opentelemetry.podAnnotations" -}}
{{- $own := dict "checksum/config" (include "opentelemetry.config" . | sha256sum) -}}
{{- with include "opentelemetry.skipContainers" . -}}
{{- $own = set $own "eks.amazonaws.com/skip-containers" . -}}
{{- end -}}
{{- merge $own .role.podAnnotations | toYaml -}}
{{- end -}}

{{- define "opentelemetry.podTemplate" -}}
metadata:
  labels:
    {{- merge (include "opentelemetry.labels" . | fromYaml) .role.podLabels | toYaml | nindent 4 }}
  annotations:
    {{- include "opentelemetry.podAnnotations" . | nindent 4 }}
spec:
  {{- include "opentelemetry.pod" . | nindent 2 }}
{{- end -}}

{{- define "opentelemetry.pod" -}}
{{ include "opentelemetry.podBasics" . }}
{{- if .role.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with .role.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with include "opentelemetry.initContainers" . }}
initContainers:
  {{- trim . | nindent 2 }}
{{- end }}
containers:
  - {{ include "opentelemetry.collector" . | nindent 4 | trim }}
volumes:
  {{- include "opentelemetry.volumes" . | nindent 2 }}
{{- with .role.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .role.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .role.name "gateway" }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "opentelemetry.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Who the pod is, and what every container of it may do: nothing but run. */}}
{{- define "opentelemetry.podBasics" -}}
serviceAccountName: {{ .role.account.name }}
automountServiceAccountToken: false
# A DaemonSet would start on Windows, too, and its pods stay in error there.
nodeSelector:
  {{- merge (deepCopy .role.nodeSelector) (dict "kubernetes.io/os" "linux") | toYaml | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # The key's file has mode 0440 and this group, by which the collector reads what the agent owns.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "opentelemetry.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
{{- end -}}

{{/*
State is what waits in the queue and, where logs are read, the positions in the files. The token for the Kubernetes API
is mounted by name into the collector alone, and only where a preset has rules.
*/}}
{{- define "opentelemetry.volumes" -}}
- name: config
  configMap:
    name: {{ .role.fullname }}
- name: state
  {{- if .role.state }}
  hostPath:
    path: {{ printf "%s/%s_%s" (trimSuffix "/" .role.state) .Release.Namespace .role.fullname }}
    type: DirectoryOrCreate
  {{- else }}
  emptyDir:
    sizeLimit: {{ .role.queue.volumeSize }}
  {{- end }}
{{- include "opentelemetry.deliveryVolumes" . }}
{{- if .role.rules }}
- name: kubernetes-api
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}
{{- include "opentelemetry.caVolume" . }}
{{- with .role.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Further authorities add to those of the image, which Go finds in /etc/ssl/certs whatever this variable says. */}}
{{- define "opentelemetry.caEnv" -}}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: SSL_CERT_FILE
  value: /etc/pinnace/ca/{{ .key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "opentelemetry.caMount" -}}
{{- if .Values.caBundle.configMap }}
- name: ca-bundle
  mountPath: /etc/pinnace/ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "opentelemetry.caVolume" -}}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca-bundle
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key | quote }}, path: {{ .key | quote }}}]
{{- end }}
{{- end }}
{{- end -}}
