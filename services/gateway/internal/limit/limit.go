// Package limit counts calls per account: a bucket that holds a minute's worth
// of calls and fills up steadily.
package limit

import (
	"math"
	"sync"
	"time"
)

// maxBuckets is how many buckets are kept before the full ones are dropped;
// if that is not enough, some others, so that making room stays rare.
const (
	maxBuckets  = 10_000
	keptBuckets = maxBuckets * 3 / 4
)

// Limiter holds a bucket per key. Safe for concurrent use.
type Limiter struct {
	perMinute float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// New returns a limiter of so many calls a minute for each key; 0 or less is no limit.
func New(perMinute int, now func() time.Time) *Limiter {
	return &Limiter{perMinute: float64(perMinute), now: now, buckets: map[string]*bucket{}}
}

// Answer is what a limiter says of a call.
type Answer struct {
	// Allowed says whether the call may go on.
	Allowed bool
	// Limited is false when there is no limit; the rest means nothing then.
	Limited bool
	// Total is the calls allowed a minute, Remaining those left, Used what this call took.
	Total, Remaining, Used int
	// RetryAfter is the whole seconds to wait when the call is not allowed, at least 1.
	RetryAfter int
}

// Take takes a call's credits, at least 1, out of the bucket of a key. A call
// that is not allowed takes nothing.
func (l *Limiter) Take(key string, credits int) Answer {
	if l.perMinute <= 0 {
		return Answer{Allowed: true}
	}
	now, want := l.now(), math.Min(math.Max(float64(credits), 1), l.perMinute)
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		l.shrink(now)
		b = &bucket{left: l.perMinute, at: now}
		l.buckets[key] = b
	}
	l.fill(b, now)
	a := Answer{Limited: true, Total: int(l.perMinute), Used: int(want)}
	if b.left < want {
		a.Used = 0
		a.RetryAfter = max(1, int(math.Ceil((want-b.left)/l.perMinute*60)))
	} else {
		b.left -= want
		a.Allowed = true
	}
	a.Remaining = int(b.left)
	return a
}

func (l *Limiter) fill(b *bucket, now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left = math.Min(l.perMinute, b.left+passed.Minutes()*l.perMinute)
		b.at = now
	}
}

// shrink drops full buckets, which say no more than none, and others if need be.
func (l *Limiter) shrink(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	for k, b := range l.buckets {
		if l.fill(b, now); b.left >= l.perMinute {
			delete(l.buckets, k)
		}
	}
	for k := range l.buckets {
		if len(l.buckets) <= keptBuckets {
			return
		}
		delete(l.buckets, k)
	}
}
