package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// exporter sends one log record after another with the key that stands in the pod's file at that moment, as a collector
// with bearertokenauth does. Like a collector it does not send again what was refused as unauthenticated: that is lost.
type exporter struct {
	pod, keyFile, url string
	sent, lost        atomic.Int64
}

// run sends until ctx is done.
func (e *exporter) run(ctx context.Context, pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		n := e.sent.Add(1)
		if err := e.export(context.WithoutCancel(ctx), fmt.Sprintf("%s record %d", e.pod, n)); err != nil {
			e.lost.Add(1)
		}
	}
}

func (e *exporter) export(ctx context.Context, text string) error {
	key, err := os.ReadFile(e.keyFile)
	if err != nil {
		return err
	}
	return sendRecord(ctx, e.url, secret.New(key), text)
}

// sendRecord exports one log record and errs when it is not accepted.
func sendRecord(ctx context.Context, url string, key secret.Value, text string) error {
	body, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{
			Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: text}},
		}}}},
	}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Authorization", "Bearer "+string(key.Reveal()))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the ingress answered %s", response.Status)
	}
	return nil
}
