package saga_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
)

func BenchmarkOnlyEngine(b *testing.B) {
	r := newRig(b)
	e := start(b, r.sagas, saga.Options{Embedded: true}, r.six())
	b.ResetTimer()
	w, c := inFlight(b, b.N, 128, func(ctx context.Context) error {
		row, err := e.Create(ctx, saga.Spec{Kind: "six", Account: 1, Subject: r.id.Add(1)})
		if err != nil {
			return err
		}
		_, err = e.Await(ctx, row.ID, nil)
		return err
	})
	fmt.Println(b.N, w, c/1000)
	b.ReportMetric(float64(c.Microseconds())/float64(b.N), "cpu-µs")
	b.ReportMetric(float64(b.N)/w.Seconds(), "sagas/s")
}

func BenchmarkOnlyBare(b *testing.B) {
	r := newRig(b)
	b.ResetTimer()
	w, c := inFlight(b, b.N, 128, r.loop)
	b.ReportMetric(float64(c.Microseconds())/float64(b.N), "cpu-µs")
	b.ReportMetric(float64(b.N)/w.Seconds(), "sagas/s")
}
