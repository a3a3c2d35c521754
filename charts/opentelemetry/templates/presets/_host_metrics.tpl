{{/* A pod sees the network of its own namespace only, so that network metrics are the node's just with hostNetwork. */}}
{{- define "opentelemetry.preset.hostMetrics" -}}
{{- $receiver := include "opentelemetry.component" (list "host_metrics" "hostmetrics" .) -}}
receivers:
  {{ $receiver }}:
    collection_interval: {{ .Values.presets.hostMetrics.collectionInterval }}
    root_path: /hostfs
    scrapers:
      cpu: {}
      disk: {}
      filesystem:
        exclude_fs_types:
          fs_types: [autofs, bpf, cgroup, cgroup2, configfs, debugfs, devpts, devtmpfs, fusectl, hugetlbfs, mqueue, nsfs,
            overlay, proc, procfs, pstore, rpc_pipefs, securityfs, selinuxfs, squashfs, sysfs, tmpfs, tracefs]
          match_type: strict
        exclude_mount_points:
          mount_points: [/dev/.*, /proc/.*, /run/.*, /sys/.*, /var/lib/containerd/.*, /var/lib/kubelet/.*]
          match_type: regexp
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
  - name: host
    hostPath:
      path: /
mounts:
  - name: host
    mountPath: /hostfs
    readOnly: true
    mountPropagation: HostToContainer
{{- end -}}
