package appconfig

import (
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	defaultProtection = 60 // minutes
	leastProtection   = 15
)

// protection keeps what was read lately from being deleted.
type protection struct {
	Enabled                   bool
	ProtectionPeriodInMinutes int
}

type settingsBody struct{ DeletionProtection protection }

func (s *Service) getSettings(*request) (any, *api.Error) { return settingsBody{s.protection}, nil }

type updateSettingsInput struct {
	DeletionProtection struct {
		Enabled                   *bool
		ProtectionPeriodInMinutes *int
	}
}

func (s *Service) updateSettings(_ *request, in updateSettingsInput) (any, *api.Error) {
	changed := s.protection
	set(&changed.Enabled, in.DeletionProtection.Enabled)
	set(&changed.ProtectionPeriodInMinutes, in.DeletionProtection.ProtectionPeriodInMinutes)
	if n := changed.ProtectionPeriodInMinutes; n < leastProtection || n > maxMinutes {
		return nil, badRequest("ProtectionPeriodInMinutes must be between %d and %d", leastProtection, maxMinutes)
	}
	s.protection = changed
	return settingsBody{changed}, nil
}

// checkProtection refuses to delete what GetLatestConfiguration read within the period, as the account's settings and
// the request's header say.
func (s *Service) checkProtection(q *request, kind string, lastRead time.Time) *api.Error {
	protect := s.protection.Enabled
	switch check := q.header("X-Amzn-Deletion-Protection-Check"); check {
	case "", "ACCOUNT_DEFAULT":
	case "APPLY":
		protect = true
	case "BYPASS":
		protect = false
	default:
		return badRequest("Unknown deletion protection check %q", check)
	}
	period := time.Duration(s.protection.ProtectionPeriodInMinutes) * time.Minute
	if protect && !lastRead.IsZero() && s.clock().Before(lastRead.Add(period)) {
		return badRequest("%s is protected: it was read within the last %s.", kind, period)
	}
	return nil
}
