package limit

import (
	"strconv"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(60, func() time.Time { return now })
	for i := range 60 {
		if a := l.Take("a", 1); !a.Allowed || a.Remaining != 59-i || a.Total != 60 || a.Used != 1 {
			t.Fatalf("%d: %+v", i, a)
		}
	}
	if a := l.Take("a", 1); a.Allowed || a.RetryAfter != 1 || a.Remaining != 0 || a.Used != 0 {
		t.Errorf("%+v", a)
	}
	if a := l.Take("a", 5); a.Allowed || a.RetryAfter != 5 {
		t.Errorf("%+v", a)
	}
	if a := l.Take("b", 1); !a.Allowed {
		t.Error("another account pays")
	}
	now = now.Add(5 * time.Second)
	if a := l.Take("a", 5); !a.Allowed || a.Remaining != 0 || a.Used != 5 {
		t.Errorf("%+v", a)
	}
	now = now.Add(-time.Hour)
	if a := l.Take("a", 1); a.Allowed {
		t.Error("a clock that goes back gives calls")
	}
	now = now.Add(24 * time.Hour)
	if a := l.Take("a", 1000); !a.Allowed || a.Remaining != 0 {
		t.Errorf("%+v", a)
	}
}

func TestOff(t *testing.T) {
	l := New(0, time.Now)
	for range 100 {
		if a := l.Take("a", 1); !a.Allowed || a.Limited {
			t.Fatalf("%+v", a)
		}
	}
}

func TestBucketsAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New(60, func() time.Time { return now })
	for i := range maxBuckets {
		l.Take(strconv.Itoa(i), 1)
	}
	now = now.Add(time.Minute)
	l.Take("one more", 1)
	if len(l.buckets) != 1 {
		t.Errorf("%d buckets", len(l.buckets))
	}
	for i := range 3 * maxBuckets {
		if l.Take(strconv.Itoa(i), 1); len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets", len(l.buckets))
		}
	}
}
