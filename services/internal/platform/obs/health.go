package obs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds all checks of one question.
const checkTimeout = 2 * time.Second

// Health knows whether the process is ready: started, not stopping, and every
// registered check passes. Safe for concurrent use.
type Health struct {
	mu     sync.Mutex
	names  []string
	checks map[string]func(context.Context) error
	ready  bool
}

// NewHealth returns a registry that is not ready yet.
func NewHealth() *Health { return &Health{checks: map[string]func(context.Context) error{}} }

// Add registers a check; a name twice is refused.
func (h *Health) Add(name string, check func(context.Context) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, twice := h.checks[name]; twice {
		return fmt.Errorf("health check %q is registered twice", name)
	}
	h.names = append(h.names, name)
	h.checks[name] = check
	return nil
}

// SetReady says that the process has started, or that it is about to stop.
func (h *Health) SetReady(ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = ready
}

// Check asks all checks at once and returns the names of those that failed, in order of registration.
func (h *Health) Check(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h.mu.Lock()
	names := append([]string(nil), h.names...)
	ready := h.ready
	results := make([]chan error, len(names))
	for i, n := range names {
		results[i] = make(chan error, 1)
		go func(check func(context.Context) error) { results[i] <- safely(ctx, check) }(h.checks[n])
	}
	h.mu.Unlock()
	var failed []string
	if !ready {
		failed = append(failed, "started")
	}
	for i, n := range names {
		select {
		case err := <-results[i]:
			if err != nil {
				failed = append(failed, n)
			}
		case <-ctx.Done():
			failed = append(failed, n)
		}
	}
	return failed
}

// safely makes a panicking check a failed one.
func safely(ctx context.Context, check func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("health check panicked: %T", r)
		}
	}()
	return check(ctx)
}

// Live answers /healthz: 200 as long as the process answers at all.
func (h *Health) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, nil) })
}

// Ready answers /readyz: 200, or 503 with the names of what failed. Causes stay inside.
func (h *Health) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failed := h.Check(r.Context())
		if len(failed) > 0 {
			answer(w, http.StatusServiceUnavailable, failed)
			return
		}
		answer(w, http.StatusOK, nil)
	})
}

func answer(w http.ResponseWriter, status int, failed []string) {
	body := struct {
		Status string   `json:"status"`
		Failed []string `json:"failed,omitempty"`
	}{"ok", failed}
	if len(failed) > 0 {
		body.Status = "not ready"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
