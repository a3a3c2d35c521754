package appconfig

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata/types"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// poll asks for content newer than what the session has given. An answer without content leaves the document as it is.
// When it fails, after is how long the server wants to be left alone, if it said so.
//
// A token is good for one answer. When the server refuses it, a new session is opened at once; when a request was sent
// and no answer arrives, it may be spent, and the next poll opens a new session; when the server answers with an error,
// or cannot be reached at all, it is kept.
func (s *Source) poll(ctx context.Context) (after time.Duration, err error) {
	opened := s.token.Len() == 0
	if opened {
		if err := s.open(ctx); err != nil {
			return 0, err
		}
	}
	out, err := s.get(ctx)
	if !opened && spent(err) {
		if err := s.open(ctx); err != nil {
			return 0, err
		}
		out, err = s.get(ctx)
	}
	if refusal(err) == types.InvalidParameterProblemPollIntervalNotSatisfied {
		s.due = s.cfg.Now().Add(s.cfg.PollInterval)
		if s.document.Len() > 0 {
			return 0, nil // nothing newer can be had, which is no failure
		}
		return s.cfg.PollInterval, s.explain("polling", err)
	}
	if err != nil {
		return 0, s.explain("polling", err)
	}
	return s.take(out)
}

// take keeps what an answer brought.
func (s *Source) take(out *appconfigdata.GetLatestConfigurationOutput) (after time.Duration, err error) {
	s.token = secret.FromString(aws.ToString(out.NextPollConfigurationToken))
	after = time.Duration(out.NextPollIntervalInSeconds) * time.Second
	if after <= 0 {
		after = s.cfg.PollInterval
	}
	s.due = s.cfg.Now().Add(after)
	label := aws.ToString(out.VersionLabel)
	switch {
	case len(out.Configuration) > 0:
		s.document, s.fresh = secret.New(out.Configuration), false
		s.label, s.contentType = label, aws.ToString(out.ContentType)
	case s.fresh || label != "":
		s.fresh = true // until there is content, no answer means "unchanged"
		return after, blame.On(problem.New(problem.Refused, "deploy a document with content",
			"reading configuration %s: empty configuration", s.cfg.name()), blame.Document)
	}
	return after, nil
}

// open starts a session. Its first answer has the whole content.
func (s *Source) open(ctx context.Context) error {
	s.token = secret.Value{}
	out, err := s.client.StartConfigurationSession(ctx, &appconfigdata.StartConfigurationSessionInput{
		ApplicationIdentifier:                &s.cfg.Application,
		EnvironmentIdentifier:                &s.cfg.Environment,
		ConfigurationProfileIdentifier:       &s.cfg.Profile,
		RequiredMinimumPollIntervalInSeconds: aws.Int32(int32(s.cfg.PollInterval / time.Second)),
	})
	if err != nil {
		return s.explain("opening a session", err)
	}
	s.token, s.fresh = secret.FromString(aws.ToString(out.InitialConfigurationToken)), true
	return nil
}

// get spends the token. The client must not retry by itself: the token of a lost answer may be spent.
func (s *Source) get(ctx context.Context) (*appconfigdata.GetLatestConfigurationOutput, error) {
	token := string(s.token.Reveal())
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	out, err := s.client.GetLatestConfiguration(traced,
		&appconfigdata.GetLatestConfigurationInput{ConfigurationToken: &token},
		func(o *appconfigdata.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil && awserr.Code(err) == "" && sent.Load() {
		s.token = secret.Value{}
	}
	return out, err
}

// refusal says what the server has against a token, or "".
func refusal(err error) types.InvalidParameterProblem {
	e, ok := errors.AsType[*types.BadRequestException](err)
	if !ok {
		return ""
	}
	details, ok := e.Details.(*types.BadRequestDetailsMemberInvalidParameters)
	if !ok {
		return ""
	}
	return details.Value["ConfigurationToken"].Problem
}

// spent says that the server will not take the token again: it is used, too old, or unknown.
func spent(err error) bool {
	_, refused := errors.AsType[*types.BadRequestException](err)
	return refused && refusal(err) != types.InvalidParameterProblemPollIntervalNotSatisfied
}
