package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

const (
	// sealedWrites is how many writes of each kind are timed.
	sealedWrites = 2000
	// sealedOwners is how many owners there are: a page of 30 for each of 100 reads.
	sealedOwners = 3000
	pageSize     = 30
)

// sealing times the same document written and listed with and without sealing,
// in turn, and takes what the sealed one needs more as the share of sealing. The
// median of each kind is compared, so that single slow commits do not count.
func sealing(ctx context.Context, t *table, dir string) error {
	s, err := openStore(ctx, dir)
	if err != nil {
		return err
	}
	sealed, clear, err := s.timeWrites(ctx)
	if err != nil {
		return err
	}
	t.share("sealing: share of a write", 10, sealed, clear)
	s.close()
	// Opened anew, no key of any owner is in memory.
	if s, err = openStore(ctx, dir); err != nil {
		return err
	}
	defer s.close()
	if sealed, clear, err = s.timePages(ctx); err != nil {
		return err
	}
	t.share("sealing: share of a page of 30, 30 cold owners", 30, sealed, clear)
	for range 3 {
		if sealed, clear, err = s.timePages(ctx); err != nil {
			return err
		}
	}
	t.share("sealing: share of a page of 30, warm", 10, sealed, clear)
	return nil
}

func (t *table) share(work string, goal float64, sealed, clear time.Duration) {
	share := 100 * max(0, 1-clear.Seconds()/sealed.Seconds())
	t.atMost(work, goal, share, " %", fmt.Sprintf("%v sealed, %v in the clear", sealed.Round(time.Microsecond), clear.Round(time.Microsecond)))
}

// timeWrites makes the owners, then times inserts of owners that are known.
func (s *store) timeWrites(ctx context.Context) (sealed, clear time.Duration, err error) {
	if err := inParallel(sealedOwners, 64, func(i int) error {
		d := values(int64(i+1), int64(i+1))
		d.Body = "" // nothing in the clear has a part that lists leave out
		if err := s.sealed.Insert(ctx, ring.Write, d); err != nil {
			return err
		}
		return s.clear.Insert(ctx, ring.Write, d.unsealed())
	}); err != nil {
		return 0, 0, err
	}
	var with, without []time.Duration
	for i := range int64(sealedWrites) {
		d := values(sealedOwners+1+i, 1+i%100)
		d.Status = 3
		plain := d.unsealed()
		plain.Description += d.Body // the same bytes
		one, err := timed(func() error { return s.clear.Insert(ctx, ring.Write, plain) })
		if err != nil {
			return 0, 0, err
		}
		two, err := timed(func() error { return s.sealed.Insert(ctx, ring.Write, d) })
		if err != nil {
			return 0, 0, err
		}
		with, without = append(with, two), append(without, one)
	}
	return median(with), median(without), nil
}

// timePages walks all owners by pages, in both collections in turn.
func (s *store) timePages(ctx context.Context) (sealed, clear time.Duration, err error) {
	q := docstore.Query{Index: "status", Eq: []any{2}, Limit: pageSize}
	p := q
	var with, without []time.Duration
	for range sealedOwners/pageSize - 1 {
		one, err := timed(func() error {
			page, err := s.clear.Find(ctx, ring.Read, 1, p)
			if err == nil {
				p.After = page.Next
			}
			return err
		})
		if err != nil {
			return 0, 0, err
		}
		two, err := timed(func() error {
			page, err := s.sealed.Find(ctx, ring.Read, 1, q)
			if err == nil {
				q.After = page.Next
			}
			return err
		})
		if err != nil {
			return 0, 0, err
		}
		with, without = append(with, two), append(without, one)
	}
	return median(with), median(without), nil
}

func timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}
