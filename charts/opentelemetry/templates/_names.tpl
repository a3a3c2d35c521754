{{- define "opentelemetry.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 54 characters, so that a role still fits into the 63 of a name. */}}
{{- define "opentelemetry.fullname" -}}
{{- $name := include "opentelemetry.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- end -}}

{{/* The Service that has the address of each pod of the gateway. */}}
{{- define "opentelemetry.peers" -}}
{{- printf "%s-gateway" (include "opentelemetry.fullname" .) | trunc 57 | trimSuffix "-" }}-peers
{{- end -}}

{{/* These never change: a Deployment's and a DaemonSet's selector is immutable. */}}
{{- define "opentelemetry.selectorLabels" -}}
app.kubernetes.io/name: {{ include "opentelemetry.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .role.name }}
{{- end -}}

{{- define "opentelemetry.labels" -}}
{{ include "opentelemetry.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: opentelemetry
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "opentelemetry.metadata" -}}
name: {{ .role.fullname }}
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

{{/* The collector's release, by which names and options are chosen. */}}
{{- define "opentelemetry.collectorVersion" -}}
{{- $tag := regexFind "^v?[0-9]+\\.[0-9]+\\.[0-9]+" .Values.image.tag | trimPrefix "v" -}}
{{- .Values.image.version | default $tag | default .Chart.AppVersion -}}
{{- end -}}

{{/* Takes a release and the scope, and says true when the collector is that or newer. */}}
{{- define "opentelemetry.collectorSince" -}}
{{- semverCompare (printf ">=%s" (index . 0)) (include "opentelemetry.collectorVersion" (index . 1)) -}}
{{- end -}}

{{/* Takes a component's name of today, the one before, and the scope. From 0.165.0 on the older names are aliases that warn. */}}
{{- define "opentelemetry.component" -}}
{{- ternary (index . 0) (index . 1) (eq "true" (include "opentelemetry.collectorSince" (list "0.165.0" (index . 2)))) -}}
{{- end -}}

{{/* Mebibytes of a size in Mi or Gi. */}}
{{- define "opentelemetry.mebibytes" -}}
{{- if hasSuffix "Gi" . -}}
{{- mul 1024 (trimSuffix "Gi" . | int) -}}
{{- else -}}
{{- trimSuffix "Mi" . -}}
{{- end -}}
{{- end -}}

{{/* 80 % of a memory limit in Mi or Gi, as GOMEMLIMIT wants it. */}}
{{- define "opentelemetry.goMemLimit" -}}
{{- printf "%dMiB" (div (mul 80 (include "opentelemetry.mebibytes" . | int)) 100) -}}
{{- end -}}

{{/* Where the telemetry goes. */}}
{{- define "opentelemetry.endpoint" -}}
{{- printf "ingress.%s%s:443" (ternary "private." "" .Values.coralogix.privateLink) .Values.coralogix.domain -}}
{{- end -}}
