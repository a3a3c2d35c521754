package loopback

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// statuses are all that are ever answered.
var statuses = [...]int{
	http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
	http.StatusGatewayTimeout,
}

type counters [numberOfServices][len(statuses)]atomic.Uint64

func (c *counters) add(asked service, status int) {
	if i := slices.Index(statuses[:], status); i >= 0 {
		c[asked][i].Add(1)
	}
}

// Count is how many requests of one service were answered with one status.
type Count struct {
	Service string // none, ping, appconfig-agent, secretsmanager-agent, secretsmanager or appconfigdata
	Status  int
	Total   uint64 // since the start
}

// Counts are the requests that were answered so far, those that never happened left out. Any goroutine may ask.
func (s *Sink) Counts() []Count {
	var list []Count
	for asked := range s.counts {
		for i, status := range statuses {
			if n := s.counts[asked][i].Load(); n > 0 {
				list = append(list, Count{serviceNames[asked], status, n})
			}
		}
	}
	return list
}

// Connections are those that are open. Any goroutine may ask.
func (s *Sink) Connections() int { return int(s.conns.Load()) }
