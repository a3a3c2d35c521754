{{/* The configuration: presets first, values on top; a list in values replaces that of a preset. */}}
{{- define "collector.config" -}}
{{- $p := .Values.presets -}}
{{- $global := .Values.global -}}
{{- $features := dig "coralogix" "features" (dict) $global -}}
{{- $catalogOn := or $p.hostEntityEvents.enabled $p.kubernetesResources.enabled (dig "resourceCatalog" "enabled" false $features) -}}
{{- $config := dict -}}
{{- if $p.spanMetrics.enabled -}}
{{- $config = include "collector.spanMetrics" . | fromYaml -}}
{{- end -}}
{{- $config = mustMergeOverwrite $config (deepCopy .Values.config) -}}
{{- if $p.spanMetrics.enabled -}}
{{- include "collector.append" (list $config "traces" "exporters" "forward/compact") -}}
{{- end -}}
{{- if $p.logsCollection.storeCheckpoints -}}
{{- $_ := set $config "extensions" (mustMergeOverwrite (dict "file_storage" (dict "directory" "/var/lib/otelcol")) $config.extensions) -}}
{{- $_ := set $config.service "extensions" (append $config.service.extensions "file_storage" | uniq) -}}
{{- end -}}
{{- if $catalogOn -}}
{{- $config = mustMergeOverwrite (include "collector.catalog" . | fromYaml) $config -}}
{{- end -}}
{{- if and $p.fleetManagement.enabled (not $p.fleetManagement.supervisor.enabled) -}}
{{- $config = mustMergeOverwrite (include "collector.opamp" . | fromYaml) $config -}}
{{- $_ := set $config.service "extensions" (append $config.service.extensions "opamp" | uniq) -}}
{{- end -}}
{{- with .Values.extraConfig -}}
{{- $_ := set $config "processors" (mustMergeOverwrite $config.processors (deepCopy (.processors | default dict))) -}}
{{- range $name, $pipeline := dig "service" "pipelines" (dict) . -}}
{{- range $kind, $more := $pipeline -}}
{{- if not (hasKey $config.service.pipelines $name) -}}
{{- fail (printf "extraConfig cannot make the pipeline %s" $name) -}}
{{- end -}}
{{- range $more -}}
{{- include "collector.append" (list $config $name $kind .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $p.coralogixExporter.enabled -}}
{{- $config = mustMergeOverwrite (include "collector.coralogix" . | fromYaml) $config -}}
{{- include "collector.export" (list $config "coralogix" $p.coralogixExporter.pipelines) -}}
{{- end -}}
{{- if $p.otlpExporter.enabled -}}
{{- $otlp := dict "endpoint" (required "presets.otlpExporter.endpoint must be set" $p.otlpExporter.endpoint) -}}
{{- with $p.otlpExporter.headers -}}{{- $_ := set $otlp "headers" . -}}{{- end -}}
{{- with $p.otlpExporter.tls -}}{{- $_ := set $otlp "tls" . -}}{{- end -}}
{{- $config = mustMergeOverwrite (dict "exporters" (dict "otlp" $otlp)) $config -}}
{{- include "collector.export" (list $config "otlp" $p.otlpExporter.pipelines) -}}
{{- end -}}
{{- range list "logs" "metrics" "traces" -}}
{{- include "collector.append" (list $config . "processors" "batch") -}}
{{- end -}}
{{- range $name, $pipeline := $config.service.pipelines -}}
{{- if not (and $pipeline $pipeline.exporters) -}}{{- $_ := unset $config.service.pipelines $name -}}{{- end -}}
{{- end -}}
{{- tpl (toYaml $config) . -}}
{{- end -}}

{{/* Takes configuration, pipeline, kind and component. */}}
{{- define "collector.append" -}}
{{- $pipeline := index (index . 0).service.pipelines (index . 1) -}}
{{- if $pipeline -}}
{{- $_ := set $pipeline (index . 2) (append (index $pipeline (index . 2) | default list) (index . 3) | uniq) -}}
{{- end -}}
{{- end -}}

{{/* Takes configuration, exporter and the pipelines that get it. */}}
{{- define "collector.export" -}}
{{- $chosen := index . 2 -}}
{{- $config := index . 0 -}}
{{- $exporter := index . 1 -}}
{{- range list "logs" "metrics" "traces" -}}
{{- if or (has "all" $chosen) (has . $chosen) -}}
{{- include "collector.append" (list $config . "exporters" $exporter) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "collector.coralogix" -}}
exporters:
  coralogix:
    domain: {{ .Values.global.domain | quote }}
    private_key: {{ .Values.presets.coralogixExporter.privateKey | quote }}
    application_name: {{ .Values.global.defaultApplicationName | quote }}
    subsystem_name: {{ .Values.global.defaultSubsystemName | quote }}
    application_name_attributes: [k8s.namespace.name, service.namespace]
    subsystem_name_attributes: [k8s.deployment.name, service.name]
{{- end -}}

{{/* Names the exporter whatever the presets say, as upstream's preset does. */}}
{{- define "collector.spanMetrics" -}}
connectors: {forward/compact: {}}
service:
  pipelines:
    metrics/compact: {receivers: [otlp], processors: [memory_limiter], exporters: [coralogix]}
    traces/compact: {receivers: [forward/compact], processors: [batch], exporters: [debug]}
exporters: {debug: {}}
{{- end -}}

{{- define "collector.catalog" -}}
exporters:
  coralogix/resource_catalog: {private_key: "${CORALOGIX_PRIVATE_KEY}", domain: {{ .Values.global.domain | quote }}}
service:
  pipelines:
    logs/resource_catalog: {receivers: [otlp], processors: [memory_limiter], exporters: [coralogix/resource_catalog]}
{{- end -}}

{{- define "collector.opamp" -}}
extensions:
  opamp:
    server:
      http:
        endpoint: "https://ingress.{{ .Values.global.domain }}/opamp/v1"
        headers: {Authorization: "Bearer ${env:CORALOGIX_PRIVATE_KEY}"}
{{- end -}}
