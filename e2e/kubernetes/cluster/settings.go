package cluster

import (
	"os"
	"strings"
)

// writeSettings writes the files that configure the node.
func (c *Cluster) writeSettings() error {
	if err := os.MkdirAll(c.path("cni"), 0o755); err != nil {
		return err
	}
	fill := strings.NewReplacer(
		"DIR", c.dir, "PACKAGES", c.cfg.Packages, "PODS", podNetwork, "PAUSE", pauseImage, "CGROUP", "/"+os.Getenv(marker),
	)
	for name, text := range map[string]string{
		"cni/10-e2e.conflist": cniSettings, "containerd.toml": containerdSettings, "kubelet.yaml": kubeletSettings,
	} {
		if err := os.WriteFile(c.path(name), []byte(fill.Replace(text)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const cniSettings = `{"cniVersion": "1.0.0", "name": "e2e", "plugins": [{
  "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "DIR/ipam", "ranges": [[{"subnet": "PODS"}]]}
}]}
`

const containerdSettings = `version = 2
root = "DIR/containerd"
state = "DIR/containerd-state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "DIR/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  disable_tcp_service = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "PACKAGES/usr/lib/cni"
    conf_dir = "DIR/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "PACKAGES/usr/sbin/runc"
        SystemdCgroup = false
`

const kubeletSettings = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: CGROUP
failSwapOn: false
readOnlyPort: 0
containerRuntimeEndpoint: unix://DIR/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: DIR/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: DIR/node.crt
tlsPrivateKeyFile: DIR/node.key
resolvConf: ""
makeIPTablesUtilChains: false
volumePluginDir: DIR/plugins
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
registryPullQPS: 0
kubeAPIQPS: 200
kubeAPIBurst: 400
`

func (c *Cluster) etcdFlags() []string {
	const client, peer = "http://" + etcdAddress, "http://127.0.0.1:2380"
	return []string{
		"--name=e2e", "--data-dir=" + c.path("etcd"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=e2e=" + peer,
	}
}

func (c *Cluster) apiserverFlags() []string {
	return []string{
		"--etcd-servers=http://" + etcdAddress, "--secure-port=6443",
		"--bind-address=0.0.0.0", "--advertise-address=" + Gateway,
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=" + serviceNetwork,
		"--tls-cert-file=" + c.path("apiserver.crt"), "--tls-private-key-file=" + c.path("apiserver.key"),
		"--client-ca-file=" + c.path("ca.crt"), "--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--service-account-issuer=" + Issuer, "--service-account-jwks-uri=" + Issuer + "/openid/v1/jwks",
		"--service-account-signing-key-file=" + c.path("tokens.key"),
		"--service-account-key-file=" + c.path("tokens.key"), "--api-audiences=" + Issuer,
		"--kubelet-client-certificate=" + c.path("admin.crt"), "--kubelet-client-key=" + c.path("admin.key"),
		"--kubelet-certificate-authority=" + c.path("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
	}
}

func (c *Cluster) controllersFlags() []string {
	config := c.path("controllers.kubeconfig")
	return []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--authentication-skip-lookup",
		"--use-service-account-credentials=true",
		"--kube-api-qps=200", "--kube-api-burst=400",
		"--service-account-private-key-file=" + c.path("tokens.key"), "--root-ca-file=" + c.path("ca.crt"),
	}
}

func (c *Cluster) schedulerFlags() []string {
	config := c.path("scheduler.kubeconfig")
	return []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--authentication-skip-lookup",
	}
}

func (c *Cluster) kubeletFlags() []string {
	return []string{
		"--config=" + c.path("kubelet.yaml"), "--kubeconfig=" + c.path("node.kubeconfig"),
		"--hostname-override=" + Node, "--node-ip=" + Gateway,
		"--root-dir=" + c.path("kubelet"), "--cert-dir=" + c.path("kubelet-certificates"),
	}
}
