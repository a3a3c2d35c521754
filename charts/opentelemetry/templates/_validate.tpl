{{/* Refuses values that would install and not work; each sentence says what to write instead. */}}
{{- define "opentelemetry.validate" -}}
{{- if not .Values.clusterName -}}
{{- fail "clusterName is empty: give the name of this Kubernetes cluster" -}}
{{- end -}}
{{- include "opentelemetry.validateRoles" . -}}
{{- include "opentelemetry.validateDelivery" . -}}
{{- include "opentelemetry.validatePlatform" . -}}
{{- include "opentelemetry.validateGateway" . -}}
{{- if not .Values.keyDelivery.existingSecret.enabled -}}
{{- include "opentelemetry.validateAWS" . -}}
{{- end -}}
{{- include "opentelemetry.validateDomain" .Values.coralogix -}}
{{- include "opentelemetry.validateAccounts" . -}}
{{- end -}}

{{- define "opentelemetry.validateRoles" -}}
{{- if eq .Values.mode "deployment" -}}
{{- fail "mode: deployment is of version 0.1.0: write gateway: {enabled: true}, agent: {enabled: false} and leave mode out" -}}
{{- end -}}
{{- $version := include "opentelemetry.collectorVersion" . -}}
{{- if semverCompare "<0.140.0" $version -}}
{{- fail (printf "the image has collector %s, and its queue needs 0.140.0: write a newer image.tag, or image.version if this is wrong" $version) -}}
{{- end -}}
{{- $roles := include "opentelemetry.roles" . | fromYamlArray -}}
{{- if not $roles -}}
{{- fail "no role is enabled: set agent.enabled, cluster.enabled or gateway.enabled to true" -}}
{{- end -}}
{{- range $roles -}}
{{- $role := include "opentelemetry.role" (list . $) | fromYaml -}}
{{- if $role.Error -}}{{- fail (printf "role %s: %s" . $role.Error) -}}{{- end -}}
{{- if not $role.receivers -}}
{{- fail (printf "%s.enabled is true and no preset gives it anything to do: enable one, or set %s.enabled to false" . .) -}}
{{- end -}}
{{- include "opentelemetry.validateQueue" $role -}}
{{- end -}}
{{- end -}}

{{/* Takes a role. What is in a folder of the node has no limit. */}}
{{- define "opentelemetry.validateQueue" -}}
{{- $least := mul 3 (include "opentelemetry.mebibytes" .queue.size | int) -}}
{{- if and (not .state) (lt (include "opentelemetry.mebibytes" .queue.volumeSize | int64) $least) -}}
{{- fail (printf "%s.queue.volumeSize is %s, and a queue of %s for each of traces, metrics and logs outgrows it, for which the pod would be evicted: write at least %dMi" .name .queue.volumeSize .queue.size $least) -}}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.validateDelivery" -}}
{{- $ways := list -}}
{{- range $way, $settings := .Values.keyDelivery -}}
{{- if $settings.enabled -}}{{- $ways = append $ways $way -}}{{- end -}}
{{- end -}}
{{- if not $ways -}}
{{- fail "no way of keyDelivery is enabled: set keyDelivery.file.enabled, or another way, to true" -}}
{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- fail (printf "keyDelivery.%s are all enabled: keep one and set enabled of the others to false" (join " and keyDelivery." $ways)) -}}
{{- end -}}
{{- if and .Values.keyDelivery.existingSecret.enabled (not .Values.keyDelivery.existingSecret.name) -}}
{{- fail "keyDelivery.existingSecret.name is empty: give the name of the Secret that has the key" -}}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.validatePlatform" -}}
{{- if eq .Values.platform "fargate" -}}
{{- if .Values.agent.enabled -}}
{{- fail "platform is fargate, which has no DaemonSets and no host paths: set agent.enabled to false and gateway.enabled to true" -}}
{{- end -}}
{{- if .Values.keyDelivery.file.enabled -}}
{{- fail "platform is fargate, which has no file delivery: set keyDelivery.file.enabled to false and keyDelivery.process.enabled to true" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.validateGateway" -}}
{{- if .Values.presets.tailSampling.enabled -}}
{{- if not .Values.gateway.enabled -}}
{{- fail "presets.tailSampling is enabled and needs the gateway: set gateway.enabled to true" -}}
{{- end -}}
{{- if and (gt (int .Values.gateway.replicas) 1) (not .Values.agent.enabled) -}}
{{- fail "presets.tailSampling needs all spans of a trace in one pod: enable the agents, which route by trace id, or set gateway.replicas to 1" -}}
{{- end -}}
{{- if and (not .Values.presets.otlpReceiver.enabled) .Values.agent.enabled -}}
{{- fail "presets.tailSampling gets its traces from the agents: set presets.otlpReceiver.enabled to true" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.validateDomain" -}}
{{- $known := list "us1" "us2" "us3" "eu1" "eu2" "ap1" "ap2" "ap3" -}}
{{- $aliases := list "coralogix.com" "coralogix.us" "cx498.coralogix.com" "coralogix.in" "coralogixsg.com" -}}
{{- $wrong := printf "coralogix.domain %q" .domain -}}
{{- $override := "or set coralogix.allowUnknownDomain to true" -}}
{{- if not .domain -}}
{{- fail "coralogix.domain is empty: give the domain of your Coralogix region, such as eu2.coralogix.com" -}}
{{- end -}}
{{- if regexMatch "^(private-link|api)\\." .domain -}}
{{- fail (printf "%s is an endpoint that is shut down: give the region's domain, such as eu2.coralogix.com" $wrong) -}}
{{- end -}}
{{- if hasPrefix "private." .domain -}}
{{- fail (printf "%s is more than a domain: write %q and set coralogix.privateLink to true" $wrong (trimPrefix "private." .domain)) -}}
{{- end -}}
{{- if or (hasPrefix "ingress." .domain) (not (regexMatch "^[a-z0-9-]+(\\.[a-z0-9-]+)+$" .domain)) -}}
{{- fail (printf "%s is more than a domain: leave out scheme, ingress, port and path" $wrong) -}}
{{- end -}}
{{- if not .allowUnknownDomain -}}
{{- if has .domain $aliases -}}
{{- fail (printf "%s is an older alias: write your region's own, such as eu1.coralogix.com, %s" $wrong $override) -}}
{{- end -}}
{{- if not (and (hasSuffix ".coralogix.com" .domain) (has (trimSuffix ".coralogix.com" .domain) $known)) -}}
{{- fail (printf "%s is unknown: write %s, each with .coralogix.com, %s" $wrong (join " or " $known) $override) -}}
{{- end -}}
{{- end -}}
{{- end -}}
