{{/*
A pod sees the network of its own namespace only, so that network metrics are the node's just with hostNetwork. Of the
node's files the collector gets /proc, which is all that these scrapers read. /sys is not mounted: below it are file systems
of their own, such as that of control groups, which stay writable for root in a mount that is read-only. Where Kubernetes
knows how, what is mounted below /proc is read-only, too. To measure file systems the collector needs all files of the node,
and in them are the Secrets that other pods mount.
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
  - name: host
    hostPath:
      path: {{ ternary "/" "/proc" $preset.fileSystems }}
mounts:
  - name: host
    readOnly: true
    {{- if $preset.fileSystems }}
    mountPath: /hostfs
    mountPropagation: HostToContainer
    {{- else }}
    mountPath: /hostfs/proc
    {{- if semverCompare ">=1.31.0-0" .Capabilities.KubeVersion.Version }}
    recursiveReadOnly: IfPossible
    {{- end }}
    {{- end }}
{{- end -}}
