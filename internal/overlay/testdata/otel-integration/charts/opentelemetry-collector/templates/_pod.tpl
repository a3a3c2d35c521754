{{- define "collector.fullname" -}}
{{- default (printf "%s-%s" .Release.Name .Chart.Name) .Values.fullnameOverride -}}
{{- end -}}

{{- define "collector.serviceAccount" -}}
{{- default (ternary (include "collector.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* A program and its flags, and no room for a verb. */}}
{{- define "collector.command" -}}
{{- $supervised := and .Values.presets.fleetManagement.enabled .Values.presets.fleetManagement.supervisor.enabled -}}
- /{{ .Values.command.name }}
- --config={{ ternary "/etc/supervisor.yaml" "/conf/relay.yaml" $supervised }}
{{- if not $supervised }}
{{- range .Values.command.extraArgs }}
- {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* On Fargate with its own initContainers, and then those of values: the key twice. */}}
{{- define "collector.pod" -}}
serviceAccountName: {{ include "collector.serviceAccount" . }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- if .Values.presets.eksFargate.initContainer.enabled }}
initContainers:
  - {name: node-labeler, image: busybox, command: [/bin/true]}
{{- end }}
containers:
  - name: {{ .Chart.Name }}
    command:
      {{- include "collector.command" . | nindent 6 }}
    securityContext:
      {{- if and (not .Values.securityContext) .Values.presets.logsCollection.storeCheckpoints }}
      runAsUser: 0
      {{- else }}
      {{- toYaml .Values.securityContext | nindent 6 }}
      {{- end }}
    {{- if .Values.image.digest }}
    image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}"
    {{- else }}
    image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
    {{- end }}
    env:
      - name: MY_POD_IP
        valueFrom: {fieldRef: {fieldPath: status.podIP}}
      {{- if .Values.presets.fleetManagement.enabled }}
      - {name: OTEL_RESOURCE_ATTRIBUTES, value: deployment.environment.name=prod}
      - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
      {{- end }}
      {{- with .Values.extraEnvs }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.extraEnvsFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - {name: config, mountPath: /conf}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if .Values.initContainers }}
initContainers:
  {{- tpl (toYaml .Values.initContainers) . | nindent 2 }}
{{- end }}
volumes:
  - {name: config, configMap: {name: {{ include "collector.fullname" . }}}}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
