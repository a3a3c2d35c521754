package kubernetes_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience is how long a test waits for something that the cluster does.
const patience = 90 * time.Second

var namespaces atomic.Int32

// namespace makes one, which is left to the end of the cluster.
func namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	_, err := kube.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Pods are refused until the controllers have made the account that they run under.
	await(t, "default service account of "+name, func(ctx context.Context) (bool, error) {
		_, err := kube.Client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	return name
}

// await asks ten times a second until the answer is yes.
func await(t *testing.T, what string, ask func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := ask(ctx)
		if yes && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// awaitPod waits until one pod of a namespace is as wanted, and answers it.
func awaitPod(t *testing.T, space, what string, wanted func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	await(t, what, func(ctx context.Context) (bool, error) {
		pods, err := kube.Client.CoreV1().Pods(space).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for i := range pods.Items {
			if wanted(&pods.Items[i]) {
				found = &pods.Items[i]
				return true, nil
			}
		}
		return false, fmt.Errorf("%d pods", len(pods.Items))
	})
	return found
}
