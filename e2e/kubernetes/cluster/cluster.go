// Package cluster is a Kubernetes of one node for tests: etcd, API server, controller manager, scheduler and kubelet
// with containerd, all in network, mount and process namespaces of the test's own. Pods are real: a bridge, tmpfs
// volumes, seccomp, tokens that the API server signs. There is no proxy for services, no DNS, and no way out.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What tests name.
const (
	Node    = "node-1"                 // the name of the node, which only pods with hostAliases can resolve
	Issuer  = "https://127.0.0.1:6443" // of tokens, and the API server as seen from the host
	Gateway = "10.244.0.1"             // the host as seen from pods

	Registry = "pinnace.test/" // where the images of the tests would be, if they were anywhere

	hostNetwork    = "10.245.0.0/16" // all of it is the host, too
	podNetwork     = "10.244.0.0/24"
	serviceNetwork = "10.96.0.0/16"
	serviceAddress = "10.96.0.1" // of the API server, for pods
	etcdAddress    = "127.0.0.1:2379"
	pauseImage     = Registry + "pause:1"
)

// Config says what a cluster is made of.
type Config struct {
	Components string   // folder with the components' programs
	Packages   string   // folder with containerd, runc and the CNI plugins as Debian's packages lay them out
	Images     []string // archives to import, that of pinnace.test/pause:1 among them
}

// Cluster is a running one. Its methods are safe for concurrent use.
type Cluster struct {
	REST       *rest.Config // as the administrator
	Client     kubernetes.Interface
	Kubeconfig string // path, of the administrator
	Started    []Step // what the start took

	cfg       Config
	dir       string
	authority *authority
	addresses atomic.Int32 // given out
	begin     time.Time
	mu        sync.Mutex
	processes []*process
}

// Step is a moment of the start.
type Step struct {
	What  string
	After time.Duration
}

// Start makes a cluster in the namespaces of this process, which Enter started, and waits until it takes pods. Close
// ends it; the end of the process does, too.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if !Inside() {
		return nil, errors.New("no cluster outside of private namespaces")
	}
	c := &Cluster{cfg: cfg, dir: filepath.Join(os.TempDir(), os.Getenv(marker)), begin: time.Now()}
	if err := settle(c.path("containerd")); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("starting the cluster: %w\n%s", errors.Join(err, c.Close()), c.Logs(15))
	}
	return c, nil
}

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) done(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Started = append(c.Started, Step{what, time.Since(c.begin).Round(time.Millisecond)})
}

func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := errors.Join(c.writePKI(), c.writeSettings()); err != nil {
		return err
	}
	c.done("keys and certificates")
	c.Kubeconfig = c.path("admin.kubeconfig")
	var err error
	if c.REST, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	c.REST.QPS, c.REST.Burst = 200, 400
	if c.Client, err = kubernetes.NewForConfig(c.REST); err != nil {
		return err
	}
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error { return c.startNode(both) })
	group.Go(func() error { return c.startControlPlane(both) })
	if err := group.Wait(); err != nil {
		return err
	}
	return c.awaitNode(ctx)
}

// startNode starts containerd and gives it the images.
func (c *Cluster) startNode(ctx context.Context) error {
	if err := c.run("containerd", "--config", c.path("containerd.toml")); err != nil {
		return err
	}
	if err := c.until(ctx, "containerd", func() error { return c.ctr(ctx, "version") }); err != nil {
		return err
	}
	for _, archive := range c.cfg.Images {
		if err := c.ctr(ctx, "--namespace", "k8s.io", "images", "import", archive); err != nil {
			return err
		}
	}
	c.done("images imported")
	return nil
}

// startControlPlane starts everything else; the kubelet waits by itself for what it needs.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	if err := c.run("etcd", c.etcdFlags()...); err != nil {
		return err
	}
	if err := c.run("kube-apiserver", c.apiserverFlags()...); err != nil {
		return err
	}
	ready := func() error {
		return c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}
	if err := c.until(ctx, "kube-apiserver", ready); err != nil {
		return err
	}
	c.done("API server ready")
	if err := c.serveInside(); err != nil {
		return err
	}
	return errors.Join(
		c.run("kube-controller-manager", c.controllersFlags()...),
		c.run("kube-scheduler", c.schedulerFlags()...),
		c.run("kubelet", c.kubeletFlags()...),
		c.publishKeys(ctx),
	)
}

// serveInside gives pods the API server where its Service says that it is.
func (c *Cluster) serveInside() error {
	listener, err := net.Listen("tcp", serviceAddress+":443")
	if err != nil {
		return err
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // the process ends
			}
			go forward(from, "127.0.0.1:6443")
		}
	}()
	return nil
}

func forward(from net.Conn, address string) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(from, to)
}

// awaitNode waits until the node is ready and pods can have their service account.
func (c *Cluster) awaitNode(ctx context.Context) error {
	err := c.until(ctx, "kubelet", func() error {
		node, err := c.Client.CoreV1().Nodes().Get(ctx, Node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" {
				return nil
			}
		}
		return errors.New("the node is not ready")
	})
	if err != nil {
		return err
	}
	c.done("node ready")
	err = c.until(ctx, "kube-controller-manager", func() error {
		_, err := c.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err == nil {
		c.done("service accounts made")
	}
	return err
}

// until tries every 50 ms until there is no error, the component has ended, or ctx has.
func (c *Cluster) until(ctx context.Context, component string, try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", component, err)
		case <-c.ended(component):
			return fmt.Errorf("%s has ended", component)
		case <-tick.C:
		}
	}
}

// Close ends all components. Pods that still run end with the namespaces.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed []error
	for i := len(c.processes) - 1; i >= 0; i-- {
		failed = append(failed, c.processes[i].stop())
	}
	c.processes = nil
	return errors.Join(failed...)
}
