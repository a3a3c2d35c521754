{{/*
The collector's configuration. The key is in it only as the path of a file, which the authenticator reads again whenever
the agent replaces it. Brackets around the address serve IPv4 and IPv6 alike.
*/}}
{{- define "opentelemetry.config" -}}
extensions:
  health_check:
    endpoint: "[${env:POD_IP}]:13133"
  bearertokenauth:
    filename: /var/run/pinnace/private_key
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: "[${env:POD_IP}]:4317"
      http:
        endpoint: "[${env:POD_IP}]:4318"
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 25
  resource:
    attributes:
      - key: k8s.cluster.name
        value: {{ .Values.clusterName | quote }}
        action: insert
      {{- range $key, $value := .Values.resourceAttributes }}
      - key: {{ $key | quote }}
        value: {{ $value | quote }}
        action: insert
      {{- end }}
  batch:
    send_batch_size: 1024
    timeout: 1s
exporters:
  otlp:
    endpoint: {{ printf "ingress.%s:443" .Values.coralogix.domain | quote }}
    auth:
      authenticator: bearertokenauth
    headers:
      CX-Application-Name: {{ .Values.coralogix.applicationName | quote }}
      CX-Subsystem-Name: {{ .Values.coralogix.subsystemName | quote }}
    sending_queue:
      enabled: true
      queue_size: 1000
    retry_on_failure:
      enabled: true
      # Never give up: what the queue cannot take is refused at the receiver, where the sender sees it.
      max_elapsed_time: 0s
service:
  extensions: [health_check, bearertokenauth]
  telemetry:
    logs:
      level: {{ .Values.logLevel }}
  pipelines:
    {{- range list "traces" "metrics" "logs" }}
    {{ . }}:
      receivers: [otlp]
      processors: [memory_limiter, resource, batch]
      exporters: [otlp]
    {{- end }}
{{- end -}}
