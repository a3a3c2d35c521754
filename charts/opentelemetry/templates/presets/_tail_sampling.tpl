{{/* Late spans of a trace meet the decision that was made, for as long as it is remembered. */}}
{{- define "opentelemetry.preset.tailSampling" -}}
{{- $preset := .Values.presets.tailSampling -}}
processors:
  tail_sampling:
    decision_wait: {{ $preset.decisionWait }}
    num_traces: {{ $preset.numTraces | int64 }}
    decision_cache:
      sampled_cache_size: {{ mul 2 ($preset.numTraces | int64) }}
      non_sampled_cache_size: {{ mul 2 ($preset.numTraces | int64) }}
    policies:
      {{- toYaml $preset.policies | nindent 6 }}
pipelines:
  traces: {processors: [tail_sampling]}
{{- end -}}
