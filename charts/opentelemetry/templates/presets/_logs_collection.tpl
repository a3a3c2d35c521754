{{/*
The logs of all containers of the node. What the queue refuses is read again later. Positions and queue are in one folder
of the node: what was read and not yet sent outlives the pod like the position that says it was read. The chart's own
pods are left out, so that no error feeds itself. Log files belong to root.
*/}}
{{- define "opentelemetry.preset.logsCollection" -}}
{{- $preset := .Values.presets.logsCollection -}}
{{- $receiver := include "opentelemetry.component" (list "file_log" "filelog" .) -}}
{{- $own := printf "/var/log/pods/%s_%s" .Release.Namespace (include "opentelemetry.fullname" .) -}}
receivers:
  {{ $receiver }}:
    include: [/var/log/pods/*/*/*.log]
    exclude:
      {{- range list "agent" "cluster" "gateway" }}
      - {{ printf "%s-%s-*/*/*.log" $own . | quote }}
      {{- end }}
      {{- range $preset.exclude }}
      - {{ . | quote }}
      {{- end }}
    start_at: {{ $preset.startAt }}
    include_file_path: true
    include_file_name: false
    # A line that the runtime has cut in parts is cut at blanks, too.
    preserve_trailing_whitespaces: true
    storage: file_storage/checkpoints
    retry_on_failure:
      enabled: true
      max_elapsed_time: 0s
    operators:
      - type: container
extensions:
  file_storage/checkpoints:
    directory: /var/lib/otelcol/checkpoints
    create_directory: true
    recreate: true
pipelines:
  logs: {receivers: [{{ $receiver }}]}
root: true
state: {{ $preset.hostPath | quote }}
volumes:
  - name: pod-logs
    hostPath:
      path: /var/log/pods
mounts:
  - name: pod-logs
    mountPath: /var/log/pods
    readOnly: true
{{- end -}}
