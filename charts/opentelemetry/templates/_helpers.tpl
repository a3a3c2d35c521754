{{- define "opentelemetry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 54 characters, so that a component still fits into the 63 of a name. */}}
{{- define "opentelemetry.fullname" -}}
{{- $name := include "opentelemetry.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- end -}}

{{/* A collector on each node is an agent, a pool of them a gateway. */}}
{{- define "opentelemetry.component" -}}
{{- ternary "agent" "gateway" (eq .Values.mode "daemonset") -}}
{{- end -}}

{{- define "opentelemetry.componentName" -}}
{{- printf "%s-%s" (include "opentelemetry.fullname" .) (include "opentelemetry.component" .) -}}
{{- end -}}

{{- define "opentelemetry.serviceAccountName" -}}
{{- $own := ternary (include "opentelemetry.componentName" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{- define "opentelemetry.selectorLabels" -}}
app.kubernetes.io/name: {{ include "opentelemetry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ include "opentelemetry.component" . }}
{{- end -}}

{{- define "opentelemetry.labels" -}}
{{ include "opentelemetry.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opentelemetry
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "opentelemetry.metadata" -}}
name: {{ include "opentelemetry.componentName" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "opentelemetry.labels" . | nindent 2 }}
{{- end -}}

{{/* Takes an image of the values and the tag to use when it has none. */}}
{{- define "opentelemetry.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* 80 % of a memory limit in Mi or Gi, as GOMEMLIMIT wants it. */}}
{{- define "opentelemetry.goMemLimit" -}}
{{- $mebibytes := trimSuffix "Mi" . | int -}}
{{- if hasSuffix "Gi" . -}}
{{- $mebibytes = mul 1024 (trimSuffix "Gi" . | int) -}}
{{- end -}}
{{- printf "%dMiB" (div (mul 80 $mebibytes) 100) -}}
{{- end -}}

{{/* What every container of the pod may do: nothing but run. */}}
{{- define "opentelemetry.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
{{- end -}}
