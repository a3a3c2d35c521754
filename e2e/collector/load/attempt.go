package load

import (
	"context"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pinnace-dev/pinnace/e2e/collector/ingress"
)

// attempt sends one record once. The code is OK when the collector took it.
func attempt(ctx context.Context, client plogotlp.GRPCClient, id string) codes.Code {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	answer, err := client.Export(ctx, plogotlp.NewExportRequestFromLogs(one(id)))
	switch {
	case err != nil:
		return status.Code(err)
	case answer.PartialSuccess().RejectedLogRecords() > 0:
		return codes.ResourceExhausted
	}
	return codes.OK
}

// one is a log record with an id.
func one(id string) plog.Logs {
	all := plog.NewLogs()
	resource := all.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "load")
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetSeverityNumber(plog.SeverityNumberInfo)
	record.Body().SetStr("a record that must not be lost")
	record.Attributes().PutStr(ingress.IDAttribute, id)
	return all
}
