package saga

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Options of an engine. Zero fields take the defaults named beside them.
type Options struct {
	// Instance names this engine in rows; it must differ between engines. Default: random.
	Instance string
	// Embedded says that an exclusive lock proves there is no other process: sagas
	// owned by another instance are taken over at once, without waiting for leases.
	Embedded bool
	// Lease is for how long a claim holds without a write. Default 30 s.
	Lease time.Duration
	// Poll is how often the store is asked for due sagas that nobody signalled. Default 1 s.
	Poll time.Duration
	// Hold is the longest backoff that is waited for in memory; longer ones are stored as a due time. Default 2 s.
	Hold time.Duration
	// MaxRunning bounds the sagas in flight. Default 256.
	MaxRunning int
	// PerSaga bounds the calls in flight of one saga. Default 16.
	PerSaga int
	// PerParticipant bounds the calls in flight to one participant. Default 256: fewer
	// than MaxRunning would keep participants from grouping their commits.
	PerParticipant int
	// MaxClaims is after how many claims without a record a saga is parked. Default 5.
	MaxClaims int
	// WatchRing is how many events a watcher may lag behind. Default 256.
	WatchRing int
	// Now is the clock; leases are compared by it. Default time.Now.
	Now func() time.Time
	// Rand draws jitter and the order of due sagas from [0,1), from many goroutines. Default math/rand.
	Rand func() float64
	// NewID makes the id of a saga of an account. Default: see NewID.
	NewID func(account int64) string
	// Tracer makes spans. Default: none are made.
	Tracer trace.Tracer
	// Log gets constant messages with ids and codes. Default: discarded.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.Lease, 30*time.Second)
	def(&o.Poll, time.Second)
	def(&o.Hold, 2*time.Second)
	num(&o.MaxRunning, 256)
	num(&o.PerSaga, 16)
	num(&o.PerParticipant, 256)
	num(&o.MaxClaims, 5)
	num(&o.WatchRing, 256)
	if o.Instance == "" {
		o.Instance = randomHex(8)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = mathrand.Float64
	}
	if o.NewID == nil {
		o.NewID = NewID
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("saga")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// idEpoch is 2026-01-01T00:00:00Z in milliseconds.
const idEpoch = 1767225600000

// NewID returns "ACCOUNT-N", N being 40 bits of milliseconds since 2026 and 13
// random bits, so that a saga's id says which account may see it.
func NewID(account int64) string {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	n := (time.Now().UnixMilli()-idEpoch)&(1<<40-1)<<13 | int64(binary.BigEndian.Uint16(b[:])&(1<<13-1))
	return strconv.FormatInt(account, 10) + "-" + strconv.FormatInt(n, 10)
}

// SplitID takes an id made by NewID apart; ErrNotFound when it was not.
func SplitID(id string) (account, n int64, err error) {
	a, b, _ := strings.Cut(id, "-")
	account, err1 := strconv.ParseInt(a, 10, 64)
	n, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil || account < 0 || n < 0 || fmt.Sprintf("%d-%d", account, n) != id {
		return 0, 0, ErrNotFound
	}
	return account, n, nil
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
