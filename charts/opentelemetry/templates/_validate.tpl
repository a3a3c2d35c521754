{{/* Refuses values that would install and not work; each sentence says what to write instead. */}}
{{- define "opentelemetry.validate" -}}
{{- if not .Values.clusterName -}}
{{- fail "clusterName is empty: give the name of this Kubernetes cluster" -}}
{{- end -}}
{{- include "opentelemetry.validateAWS" . -}}
{{- include "opentelemetry.validateDomain" .Values.coralogix -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: give the service account's name in serviceAccount.name" -}}
{{- end -}}
{{- end -}}

{{- define "opentelemetry.validateAWS" -}}
{{- $role := .Values.aws.roleArn -}}
{{- $example := "arn:aws:iam::111122223333:role/opentelemetry" -}}
{{- if .Values.aws.podIdentity -}}
{{- if or $role .Values.aws.projectToken -}}
{{- fail "aws.podIdentity is true: leave aws.roleArn empty and aws.projectToken false, the association names the role" -}}
{{- end -}}
{{- else if not $role -}}
{{- fail (printf "aws.roleArn is empty: give the ARN of the pod's role, such as %s, or set aws.podIdentity" $example) -}}
{{- else if not (regexMatch "^arn:aws(-[a-z-]+)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$" $role) -}}
{{- fail (printf "aws.roleArn %q is not the ARN of an IAM role: write it as %s" $role $example) -}}
{{- end -}}
{{- range $part := list "application" "environment" "profile" -}}
{{- if not (index $.Values.pinnace.appConfig $part) -}}
{{- fail (printf "pinnace.appConfig.%s is empty: give the name or id of the AppConfig %s of the key" $part $part) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.aws.projectToken (not .Values.aws.region) -}}
{{- fail "aws.projectToken is true and aws.region empty: without EKS's webhook the chart must set the region" -}}
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
