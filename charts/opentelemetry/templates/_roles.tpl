{{/*
The chart has three roles: agent, cluster and gateway. A template of a role gets the chart's scope with one more member,
.role: what holds for this role, its own values over the common ones, and what its presets bring.
*/}}

{{/* The enabled roles. */}}
{{- define "opentelemetry.roles" -}}
{{- range list "agent" "cluster" "gateway" }}
{{- if (index $.Values .).enabled }}
- {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes a role's name and the chart's scope. */}}
{{- define "opentelemetry.role" -}}
{{ include "opentelemetry.settings" . }}
{{ include "opentelemetry.brought" . }}
{{- end -}}

{{/* The role without its presets, for who needs no more. */}}
{{- define "opentelemetry.settings" -}}
{{- $name := index . 0 -}}
{{- $all := index . 1 -}}
{{- $own := index $all.Values $name -}}
{{- $fullname := printf "%s-%s" (include "opentelemetry.fullname" $all) $name -}}
name: {{ $name }}
fullname: {{ $fullname }}
{{ include "opentelemetry.account" (list $fullname $own $all) }}
{{- range list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{ . }}: {{ index $own . | default (index $all.Values .) | toJson }}
{{- end }}
{{- range list "resources" "extraEnv" "podAnnotations" "podLabels" }}
{{ . }}: {{ merge (index $own . | deepCopy) (index $all.Values .) | toJson }}
{{- end }}
queue: {{ toJson $own.queue }}
hostNetwork: {{ and (eq $name "agent") $all.Values.hostNetwork }}
{{- end -}}

{{/* The service account: its name, whether to make it, its annotations and its IAM role. */}}
{{- define "opentelemetry.account" -}}
{{- $own := (index . 1).serviceAccount -}}
{{- $values := (index . 2).Values -}}
{{- $common := $values.serviceAccount -}}
{{- $create := and $common.create $own.create -}}
{{- $aws := not $values.keyDelivery.existingSecret.enabled -}}
{{- $role := ternary (default $values.aws.roleArn $own.roleArn) "" (and $aws (not $values.aws.podIdentity)) -}}
{{- $annotations := dict -}}
{{- if $role -}}
{{- $annotations = set $annotations "eks.amazonaws.com/role-arn" $role -}}
{{- $annotations = set $annotations "eks.amazonaws.com/sts-regional-endpoints" (toString $values.aws.stsRegionalEndpoints) -}}
{{- end -}}
account:
  name: {{ $own.name | default $common.name | default (ternary (index . 0) "" $create) | quote }}
  create: {{ $create }}
  roleArn: {{ $role | quote }}
  annotations: {{ merge $annotations $own.annotations $common.annotations | toJson }}
{{- end -}}

{{/* The enabled presets of a role, in the order of their processors. The gateway takes OTLP in any case. */}}
{{- define "opentelemetry.presets" -}}
{{- $name := index . 0 -}}
{{- $values := (index . 1).Values -}}
{{- $presets := list "kubernetesEvents" "clusterMetrics" "collectorMetrics" -}}
{{- if eq $name "agent" -}}
{{- $presets = list "otlpReceiver" "logsCollection" "hostMetrics" "kubeletMetrics" "resourceDetection" "kubernetesAttributes" "collectorMetrics" -}}
{{- else if eq $name "gateway" -}}
{{- $presets = list "otlpReceiver" "collectorMetrics" "tailSampling" -}}
{{- if not $values.agent.enabled -}}
{{- $presets = concat (list "kubernetesAttributes") $presets -}}
{{- end -}}
{{- end -}}
{{- range $presets }}
{{- if or (index $values.presets .).enabled (and (eq $name "gateway") (eq . "otlpReceiver")) }}
- {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
What the presets of a role bring, added up. Each is one template, opentelemetry.preset.NAME, that gives some of:
receivers, processors, extensions   components by their names
pipelines                           SIGNAL: {receivers: […], processors: […]}, what joins them
readers                             of the collector's own metrics
rules                               of the ClusterRole; with any, the collector gets a token for the Kubernetes API
volumes, mounts                     of the pod and of the collector
root                                whether the collector must run as root
state                               folder of the node, in which its state outlives the pod
*/}}
{{- define "opentelemetry.brought" -}}
{{- $scope := set (omit (index . 1) "role") "role" (dict "name" (index . 0)) -}}
{{- $sum := dict "root" false "state" "" -}}
{{- range list "receivers" "processors" "extensions" }}{{ $sum = set $sum . dict }}{{ end -}}
{{- range list "readers" "rules" "volumes" "mounts" }}{{ $sum = set $sum . list }}{{ end -}}
{{- $pipelines := dict -}}
{{- range list "traces" "metrics" "logs" -}}
{{- $pipelines = set $pipelines . (dict "receivers" list "processors" list) -}}
{{- end -}}
{{- range include "opentelemetry.presets" . | fromYamlArray -}}
{{- $part := include (printf "opentelemetry.preset.%s" .) $scope | fromYaml -}}
{{- if $part.Error -}}{{- fail (printf "preset %s: %s" . $part.Error) -}}{{- end -}}
{{- range list "receivers" "processors" "extensions" -}}
{{- $sum = set $sum . (merge (index $sum .) (index $part . | default dict)) -}}
{{- end -}}
{{- range list "readers" "rules" "volumes" "mounts" -}}
{{- $sum = set $sum . (concat (index $sum .) (index $part . | default list)) -}}
{{- end -}}
{{- range $signal, $joins := $part.pipelines -}}
{{- range $kind, $names := $joins -}}
{{- $_ := set (index $pipelines $signal) $kind (concat (index $pipelines $signal $kind) $names) -}}
{{- end -}}
{{- end -}}
{{- $sum = set $sum "root" (or $sum.root ($part.root | default false)) -}}
{{- $sum = set $sum "state" (default $sum.state $part.state) -}}
{{- end -}}
{{- set $sum "pipelines" $pipelines | toYaml -}}
{{- end -}}
