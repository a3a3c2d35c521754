{{- define "opentelemetry.validateAWS" -}}
{{- if .Values.aws.podIdentity -}}
{{- include "opentelemetry.validatePodIdentity" . -}}
{{- else -}}
{{- include "opentelemetry.validateRoleARNs" . -}}
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

{{- define "opentelemetry.validatePodIdentity" -}}
{{- if or .Values.aws.roleArn .Values.aws.projectToken -}}
{{- fail "aws.podIdentity is true: leave aws.roleArn empty and aws.projectToken false, the association names the role" -}}
{{- end -}}
{{- range list "agent" "cluster" "gateway" -}}
{{- if (index $.Values .).serviceAccount.roleArn -}}
{{- fail (printf "aws.podIdentity is true: leave %s.serviceAccount.roleArn empty, the association names the role" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Also of roles that are not enabled: what is written is meant. */}}
{{- define "opentelemetry.validateRoleARNs" -}}
{{- $example := "arn:aws:iam::111122223333:role/opentelemetry" -}}
{{- $given := dict "aws.roleArn" .Values.aws.roleArn -}}
{{- range list "agent" "cluster" "gateway" -}}
{{- $own := (index $.Values .).serviceAccount.roleArn -}}
{{- $given = set $given (printf "%s.serviceAccount.roleArn" .) $own -}}
{{- if and (index $.Values .).enabled (not (or $own $.Values.aws.roleArn)) -}}
{{- fail (printf "aws.roleArn is empty: give the ARN of the pods' role, such as %s, or %s.serviceAccount.roleArn, or set aws.podIdentity" $example .) -}}
{{- end -}}
{{- end -}}
{{- range $place, $arn := $given -}}
{{- if and $arn (not (regexMatch "^arn:aws(-[a-z-]+)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$" $arn)) -}}
{{- fail (printf "%s %q is not the ARN of an IAM role: write it as %s" $place $arn $example) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Every role has an account, and those that share one agree on what it says. */}}
{{- define "opentelemetry.validateAccounts" -}}
{{- $annotations := dict -}}
{{- range include "opentelemetry.roles" . | fromYamlArray -}}
{{- $account := (include "opentelemetry.settings" (list . $) | fromYaml).account -}}
{{- if not $account.name -}}
{{- $place := ternary (printf "%s.serviceAccount" .) "serviceAccount" $.Values.serviceAccount.create -}}
{{- fail (printf "%s.create is false: give the service account's name in %s.serviceAccount.name" $place .) -}}
{{- end -}}
{{- $said := toJson $account.annotations -}}
{{- if ne $said (get $annotations $account.name | default $said) -}}
{{- fail (printf "the service account %q is of several roles that give it different annotations or IAM roles: give each its own serviceAccount.name" $account.name) -}}
{{- end -}}
{{- $annotations = set $annotations $account.name $said -}}
{{- end -}}
{{- end -}}
