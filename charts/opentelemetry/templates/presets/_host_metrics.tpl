{{/*
A pod sees the network of its own namespace only, so that network metrics are the node's just with hostNetwork. Of the
node's files the collector gets /proc and /sys. To measure file systems it needs all of them, and in them are the Secrets
that other pods mount.
*/}}
{{- define "opentelemetry.preset.hostMetrics" -}}
{{- $preset := .Values.presets.hostMetrics -}}
{{- $receiver := include "opentelemetry.component" (list "host_metrics" "hostmetrics" .) -}}
receivers:
  {{ $receiver }}:
    collection_interval: {{ $preset.collectionInterval }}
    root_path: /hostfs
    scrapers:
      cpu: {}
      disk: {}
      {{- if $preset.fileSystems }}
      filesystem:
        exclude_fs_types:
          fs_types: [autofs, bpf, cgroup, cgroup2, configfs, debugfs, devpts, devtmpfs, fusectl, hugetlbfs, mqueue, nsfs,
            overlay, proc, procfs, pstore, rpc_pipefs, securityfs, selinuxfs, squashfs, sysfs, tmpfs, tracefs]
          match_type: strict
        exclude_mount_points:
          mount_points: [/dev/.*, /proc/.*, /run/.*, /sys/.*, /var/lib/containerd/.*, /var/lib/kubelet/.*]
          match_type: regexp
      {{- end }}
      load: {}
      memory: {}
      {{- if .Values.hostNetwork }}
      network: {}
      {{- end }}
      paging: {}
      processes: {}
pipelines:
  metrics: {receivers: [{{ $receiver }}]}
volumes:
  {{- range $name, $path := ternary (dict "host" "/") (dict "host-proc" "/proc" "host-sys" "/sys") $preset.fileSystems }}
  - name: {{ $name }}
    hostPath:
      path: {{ $path }}
  {{- end }}
mounts:
  {{- if $preset.fileSystems }}
  - name: host
    mountPath: /hostfs
    readOnly: true
    mountPropagation: HostToContainer
  {{- else }}
  - name: host-proc
    mountPath: /hostfs/proc
    readOnly: true
  - name: host-sys
    mountPath: /hostfs/sys
    readOnly: true
  {{- end }}
{{- end -}}
