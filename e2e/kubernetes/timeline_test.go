package kubernetes_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// timeline are moments since its begin, each noted once.
type timeline struct {
	begin time.Time
	mu    sync.Mutex
	steps []string
	at    map[string]time.Duration
}

func newTimeline() *timeline { return &timeline{begin: time.Now(), at: map[string]time.Duration{}} }

func (l *timeline) note(what string, when time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.at[what]; !ok {
		l.at[what] = when.Sub(l.begin)
		l.steps = append(l.steps, what)
	}
}

func (l *timeline) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out strings.Builder
	for _, what := range l.steps {
		fmt.Fprintf(&out, "\n%6.1f s  %s", l.at[what].Seconds(), what)
	}
	return out.String()
}

// The moments of an install, in their order.
const (
	podMade        = "pod made"
	podScheduled   = "pod scheduled"
	agentStarted   = "agent started"
	keyDelivered   = "key delivered: the agent's startup probe passed"
	collectorReady = "collector ready"
	firstRecord    = "first record accepted by the ingress, with the right key"
)

// follow notes the moments of the first pod of the agents in a namespace until the test ends.
func (l *timeline) follow(t *testing.T, space string) {
	t.Helper()
	ctx, cancel := context.WithCancel(kubeContext)
	pods, err := kube.Client.CoreV1().Pods(space).Watch(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=agent",
	})
	must(t, err)
	var following sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		following.Wait()
	})
	following.Go(func() {
		for event := range pods.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok && event.Type != watch.Deleted {
				l.notePod(pod, time.Now())
			}
		}
	})
}

func (l *timeline) notePod(pod *corev1.Pod, now time.Time) {
	l.note(podMade, now)
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionTrue {
			l.note(podScheduled, now)
		}
	}
	for _, container := range pod.Status.InitContainerStatuses {
		if container.Name != "pinnace-agent" {
			continue
		}
		if container.State.Running != nil {
			l.note(agentStarted, now)
		}
		if container.Started != nil && *container.Started {
			l.note(keyDelivered, now)
		}
	}
	if isReady(pod) {
		l.note(collectorReady, now)
	}
}
