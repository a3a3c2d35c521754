package kubernetes_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// serve does for the host what kube-proxy does, which this cluster has not: it gives each connection an endpoint of a
// Service that is ready then, or ends it. It answers where it listens.
func serve(t *testing.T, space, service, port string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(kubeContext)
	var open sync.WaitGroup
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		open.Wait()
	})
	open.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { connect(ctx, from, space, service, port) })
		}
	})
	return listener.Addr().String()
}

// connect copies between a connection and an endpoint until either ends, or ctx.
func connect(ctx context.Context, from net.Conn, space, service, port string) {
	defer from.Close()
	address, err := endpoint(ctx, space, service, port)
	if err != nil {
		return
	}
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { _ = from.Close() })()
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = from.Close()
			_ = to.Close()
			ended <- struct{}{}
		}()
	}
	<-ended
	<-ended
}

// endpoint is one of a Service's that is ready.
func endpoint(ctx context.Context, space, service, port string) (string, error) {
	slices, err := kube.Client.DiscoveryV1().EndpointSlices(space).List(ctx, metav1.ListOptions{
		LabelSelector: "kubernetes.io/service-name=" + service,
	})
	if err != nil {
		return "", err
	}
	for _, slice := range slices.Items {
		for _, p := range slice.Ports {
			for _, e := range slice.Endpoints {
				if *p.Name == port && *p.Protocol == corev1.ProtocolTCP && e.Conditions.Ready != nil && *e.Conditions.Ready {
					return fmt.Sprintf("%s:%d", e.Addresses[0], *p.Port), nil
				}
			}
		}
	}
	return "", fmt.Errorf("no endpoint of %s is ready", service)
}
