package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

const (
	// eraseWidth is how many erasures run at once, eraseRounds how often Lethe and the floor take turns.
	eraseWidth  = 64
	eraseRounds = 2
	// eraseAlone is how many are erased one after the other.
	eraseAlone = 10
)

// erasures erases typical people end to end through the suite, from the request
// over REST to the saga's end, and the same people from copies of the suite's
// own files by the floor.
func erasures(ctx context.Context, t *table, dir string) error {
	desk := filepath.Join(dir, "desk")
	ids, err := populate(ctx, desk, eraseWidth*eraseRounds+eraseAlone+1)
	if err != nil {
		return err
	}
	floors := map[string]*floor{}
	for _, name := range []string{"grpc", "inside"} {
		if floors[name], err = newFloor(ctx, desk, filepath.Join(dir, name), name == "grpc"); err != nil {
			return err
		}
		defer floors[name].close()
	}
	s, at, err := startSuite(ctx, desk)
	if err != nil {
		return err
	}
	defer func() { _ = stopSuite(s) }()
	client, err := restclient.New(at.HTTP, benchKey)
	if err != nil {
		return err
	}
	defer client.Close()
	eraser := func(id int64) error { return eraseOne(ctx, client, id) }
	if err := alone(ctx, t, s, ids[:eraseAlone+1], eraser, floors); err != nil {
		return err
	}
	return together(ctx, t, ids[eraseAlone+1:], eraser, floors)
}

// populate makes the people, and leaves the desk stopped.
func populate(ctx context.Context, desk string, n int) ([]int64, error) {
	s, at, err := startSuite(ctx, desk)
	if err != nil {
		return nil, err
	}
	m, err := newMaker(ctx, at.HTTP)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, n)
	err = inParallel(len(ids), 32, func(i int) error {
		id, err := m.typical(ctx, i)
		ids[i] = id
		return err
	})
	m.close()
	if err != nil {
		return nil, err
	}
	return ids, stopSuite(s)
}

func eraseOne(ctx context.Context, client *restclient.Client, id int64) error {
	req, err := client.CreateRequest(ctx, "erasure", id, fmt.Sprint("bench/erase/", id))
	if err != nil {
		return err
	}
	saga, err := client.Watch(ctx, req.SagaID, func(restclient.SagaEvent) {})
	if err == nil && saga.State != "completed" {
		err = fmt.Errorf("an erasure is %s", saga.State)
	}
	return err
}

// alone erases people one after the other, the first to warm up.
func alone(ctx context.Context, t *table, s *suite.Suite, ids []int64, eraser func(int64) error, floors map[string]*floor) error {
	var lethe, grpc, inside []time.Duration
	commits := int64(0)
	for i, id := range ids {
		before := commitsOf(s)
		a, err := timed(func() error { return eraser(id) })
		if err != nil {
			return err
		}
		commits = commitsOf(s) - before
		b, err := timed(func() error { return floors["grpc"].erase(ctx, id) })
		if err != nil {
			return err
		}
		c, err := timed(func() error { return floors["inside"].erase(ctx, id) })
		if err != nil {
			return err
		}
		if i > 0 {
			lethe, grpc, inside = append(lethe, a), append(grpc, b), append(inside, c)
		}
	}
	got, floor, strict := median(lethe).Seconds(), median(grpc).Seconds(), median(inside).Seconds()
	t.atMost("one erasure of a typical person alone: time to the floor's", 2, got/floor, "",
		fmt.Sprintf("%.0f ms, floor %.0f ms", 1000*got, 1000*floor))
	t.note("… to a floor whose calls stay inside the process", got/strict, "", fmt.Sprintf("floor %.0f ms", 1000*strict))
	t.note("durable commits of an erasure", float64(commits), "", fmt.Sprintf("floor %d and %d", floors["grpc"].commitsEach(), floors["inside"].commitsEach()))
	return nil
}

func commitsOf(s *suite.Suite) int64 {
	return s.Contacts.Stats().Commits + s.Tickets.Stats().Commits + s.Forums.Stats().Commits + s.Ratings.Stats().Commits + s.Privacy.Stats().Commits
}

// together erases people many at a time, Lethe and the floors in turn.
func together(ctx context.Context, t *table, ids []int64, eraser func(int64) error, floors map[string]*floor) error {
	var lethe, grpc, inside, letheCPU, grpcCPU time.Duration
	for round := range eraseRounds {
		some := ids[round*eraseWidth : (round+1)*eraseWidth]
		for _, m := range []struct {
			sum, cpu *time.Duration
			erase    func(int64) error
		}{
			{&grpc, &grpcCPU, func(id int64) error { return floors["grpc"].erase(ctx, id) }},
			{&lethe, &letheCPU, eraser},
			{&inside, new(time.Duration), func(id int64) error { return floors["inside"].erase(ctx, id) }},
		} {
			before := processorTime()
			took, err := timed(func() error {
				return inParallel(len(some), eraseWidth, func(i int) error { return m.erase(some[i]) })
			})
			if err != nil {
				return err
			}
			*m.sum, *m.cpu = *m.sum+took, *m.cpu+processorTime()-before
		}
	}
	n := float64(eraseWidth * eraseRounds)
	got, floor, strict := n/lethe.Seconds(), n/grpc.Seconds(), n/inside.Seconds()
	t.atLeast("erasures of typical people, 64 in flight: rate to the floor", 0.5, got/floor, "",
		fmt.Sprintf("%.0f/s, floor %.0f/s", got, floor))
	t.note("… to a floor whose calls stay inside the process", got/strict, "", fmt.Sprintf("floor %.0f/s", strict))
	t.note("… processor time of an erasure to the floor's", letheCPU.Seconds()/grpcCPU.Seconds(), "",
		fmt.Sprintf("%.1f ms, floor %.1f ms", 1000*letheCPU.Seconds()/n, 1000*grpcCPU.Seconds()/n))
	return nil
}

// processorTime is what this process has used so far, the kernel's work for it included.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// copyFile copies one file of a stopped suite.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	return err
}
