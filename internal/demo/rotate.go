package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// exportPause is the pause between two records of one pod.
const exportPause = 5 * time.Millisecond

// export starts the ingress and one exporter a pod; they go on until the rotation is over.
func export(ctx context.Context, r *run) ([]string, error) {
	in, err := startIngress(r.Prod.Key)
	if err != nil {
		return nil, err
	}
	r.ingress = in
	if err := sendRecord(ctx, in.URL(), secret.FromString("cxtp_not-the-key"), "intruder"); err == nil {
		return nil, errors.New("the ingress takes any key")
	}
	in.count(func() { in.refused = 0 })
	for _, p := range r.pods {
		e := &exporter{pod: p.name, keyFile: p.file, url: in.URL()}
		if err := e.export(ctx, p.name+" first"); err != nil {
			return nil, fmt.Errorf("exporting from %s: %w", p.name, err)
		}
		e.sent.Add(1)
		r.exporters = append(r.exporters, e)
	}
	return []string{fmt.Sprintf("OTLP over HTTP from %d pods to %s; a wrong key is refused", len(r.pods), in.URL())}, nil
}

// rotate stages a new version of the secret, rolls it out by percentage while telemetry flows, waits until every pod
// holds it, and only then ends the old key.
func rotate(ctx context.Context, r *run) ([]string, error) {
	role, err := r.role(ctx, "deployer", "deployer-trust", "deployer", r.deployerVars())
	if err != nil {
		return nil, err
	}
	cfg, err := r.assume(ctx, r.pipeline, pipeline, role, "rotation")
	if err != nil {
		return nil, err
	}
	oldKey, oldVersion, newKey := r.Prod.Key, r.Prod.VersionID, newKey(r.opts.KeyMark)
	secrets := secretsmanager.NewFromConfig(cfg)
	if err := r.stage(ctx, secrets, newKey); err != nil {
		return nil, err
	}
	r.ingress.Accept(newKey) // the two keys overlap, as Coralogix allows

	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	done := make(chan struct{})
	go r.sendUntil(sending, done)
	if err := r.rollOut(ctx, appconfig.NewFromConfig(cfg), r.Prod, gradual); err != nil {
		return nil, err
	}
	growth, err := r.watchGrowth(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.retire(ctx, secrets, oldVersion); err != nil {
		return nil, err
	}
	if err := r.clock.Wait(ctx, pollInterval); err != nil { // what was read before the rename may still be on its way
		return nil, err
	}
	r.ingress.Revoke(oldKey)
	if err := r.clock.Wait(ctx, pollInterval); err != nil { // and now only the new key sends
		return nil, err
	}
	stopSending()
	<-done
	r.Prod.Key = newKey
	detail, err := r.balance(oldKey, newKey)
	return slices.Concat([]string{"pods on the new key: " + strings.Join(growth, " → ")}, detail), err
}

// stage puts the new key beside the current one: AWSCURRENT does not move yet.
func (r *run) stage(ctx context.Context, secrets *secretsmanager.Client, key secret.Value) error {
	value, err := secretDocument(key)
	if err != nil {
		return err
	}
	staged, err := secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &r.Prod.SecretARN, SecretString: aws.String(value), VersionStages: []string{"PINNACE_NEXT"},
	})
	if err != nil {
		return fmt.Errorf("staging the new key: %w", err)
	}
	r.Prod.VersionID = *staged.VersionId
	return nil
}

// retire makes the new version the current one, now that every pod holds it.
func (r *run) retire(ctx context.Context, secrets *secretsmanager.Client, oldVersion string) error {
	_, err := secrets.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &r.Prod.SecretARN, VersionStage: aws.String("AWSCURRENT"),
		MoveToVersionId: &r.Prod.VersionID, RemoveFromVersionId: &oldVersion,
	})
	if err != nil {
		return fmt.Errorf("moving AWSCURRENT: %w", err)
	}
	return nil
}

// watchGrowth waits until every pod holds the new version and tells the counts that it saw on the way.
func (r *run) watchGrowth(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Patience)
	defer cancel()
	var seen []string
	for {
		n := r.count(r.Prod.VersionID)
		now := fmt.Sprintf("%d of %d", n, len(r.pods))
		if len(seen) == 0 || seen[len(seen)-1] != now {
			seen = append(seen, now)
		}
		if n == len(r.pods) {
			return seen, nil
		}
		if err := r.clock.Wait(ctx, time.Second); err != nil {
			return seen, fmt.Errorf("waiting for all pods to hold the new key, %s do: %w", now, err)
		}
	}
}

// sendUntil runs every exporter until ctx is done, then closes done.
func (r *run) sendUntil(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	finished := make(chan struct{})
	for _, e := range r.exporters {
		go func() {
			e.run(ctx, exportPause)
			finished <- struct{}{}
		}()
	}
	for range r.exporters {
		<-finished
	}
}

// balance compares what was sent with what arrived.
func (r *run) balance(oldKey, newKey secret.Value) ([]string, error) {
	var sent, lost int64
	for _, e := range r.exporters {
		sent += e.sent.Load()
		lost += e.lost.Load()
	}
	t := r.ingress.tally(oldKey, newKey)
	missing := sent - int64(t.Distinct)
	detail := []string{
		fmt.Sprintf("%d records sent, %d arrived, %d lost, %d doubled, %d refused; %d by the old key, %d by the new",
			sent, t.Distinct, missing, t.Doubled, t.Refused, t.OldKey, t.NewKey),
	}
	switch {
	case lost != 0 || missing != 0 || t.Doubled != 0 || t.Refused != 0:
		return detail, fmt.Errorf("%d of %d records were not accepted exactly once", max(lost, missing), sent)
	case t.OldKey == 0 || t.NewKey == 0:
		return detail, errors.New("telemetry did not flow on both sides of the rotation")
	}
	return detail, nil
}
