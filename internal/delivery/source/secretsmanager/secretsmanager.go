// Package secretsmanager reads AWS Secrets Manager: its Source delivers secrets that are named directly, its Resolver
// gives what references in a document stand for.
//
// Both read several secrets in one call (BatchGetSecretValue) where that saves calls and the role may make it, and one
// by one where it may not.
package secretsmanager

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
)

// Resolver reads secrets. It is safe for concurrent use; calls are served one after the other.
type Resolver struct {
	region string

	mu     sync.Mutex
	reader *reader
}

// New makes a resolver that reads with the identity, region and endpoint of cfg. By now it knows when to try again a
// call that was denied; nil is time.Now.
func New(cfg aws.Config, now func() time.Time) *Resolver {
	return &Resolver{region: cfg.Region, reader: newReader(cfg, now)}
}

// String names the service and its region, and nothing of what was read.
func (r *Resolver) String() string { return "Secrets Manager in " + r.region }

// Format is String, whatever the verb: a printer must not walk through the values held and the credentials.
func (r *Resolver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue is String.
func (r *Resolver) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Resolve gives what each of refs stands for, or an error for the first that cannot be had. References to one version
// of one secret are served by one read, so that values that belong together come from the same version. A pinned
// version is read once and then kept.
//
// A version that is staged as AWSPENDING is given only to a reference that pins it by its id: a rotation that failed
// may leave the label on a version that nobody finished.
func (r *Resolver) Resolve(ctx context.Context, refs []reference.Reference) (
	map[reference.Reference]reference.Resolved, error,
) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]read, len(refs))
	for i, ref := range refs {
		if err := refusePending(ref.SecretID, ref.Stage); err != nil {
			return nil, err
		}
		keys[i] = newRead(ref.SecretID, ref.Stage, ref.VersionID)
	}
	out := r.reader.read(ctx, keys)
	resolved := map[reference.Reference]reference.Resolved{}
	for i, ref := range refs {
		if err := out.failed[keys[i]]; err != nil {
			return nil, err
		}
		got := out.had[keys[i]]
		value, err := member(got.value, ref.SecretID, ref.JSONKey)
		if err != nil {
			return nil, err
		}
		resolved[ref] = reference.Resolved{Value: value, Version: got.version}
	}
	r.reader.forget(keys)
	return resolved, nil
}
