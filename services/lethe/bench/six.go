package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// sagaPackage holds the benchmark of the engine: it needs the engine's own
// packages, which no other module may import.
const sagaPackage = "./internal/saga"

// otherEngines are the sagas per second of the fastest of dtm, go-workflows,
// durabletask and Temporal with so many in flight. They were measured on a
// machine of two cores before Lethe existed and are not part of a run, so what is
// made of them is a note and no verdict.
var otherEngines = map[string]float64{"128": 151}

// sixCalls runs the engine's benchmark and puts its numbers into the table.
func sixCalls(ctx context.Context, t *table, _ string) error {
	for _, width := range []string{"1", "16", "128"} {
		m, err := goBench(ctx, "../privacy", sagaPackage, "BenchmarkSixCalls/"+width+"$", "3000x")
		if err != nil {
			return err
		}
		work := "six-call saga, " + width + " in flight: "
		rates := fmt.Sprintf("%.0f sagas/s, bare loop %.0f/s", m["sagas/s"], m["bare/s"])
		if width == "1" {
			t.note(work+"rate to the bare five-commit loop", m["ratio"], "", rates)
		} else {
			t.atLeast(work+"rate to the bare five-commit loop", 0.8, m["ratio"], "", rates)
		}
		if best, ok := otherEngines[width]; ok {
			t.note(work+"rate to the best other engine, measured elsewhere and earlier (goal 5)", m["sagas/s"]/best, "",
				fmt.Sprintf("%.0f sagas/s, dtm %.0f/s then", m["sagas/s"], best))
		}
		t.exactly(work+"saga commits", 5, m["commits/saga"], "", "")
		t.atMost(work+"processor time of the engine", 1.5, m["engine-cpu-µs/saga"]/1000, " ms",
			fmt.Sprintf("bare loop %.2f ms", m["bare-cpu-µs/saga"]/1000))
	}
	m, err := goBench(ctx, "../privacy", sagaPackage, "BenchmarkSixCallsMemory$", "3000x")
	if err != nil {
		return err
	}
	t.atMost("six-call saga, 128 in flight: memory", 60, m["MiB"], " MiB",
		fmt.Sprintf("%.0f MiB before the first saga, four participants' stores included", m["idle-MiB"]))
	return nil
}

// goBench runs one benchmark of a package in a module beside this one and
// returns its metrics by unit.
func goBench(ctx context.Context, module, pkg, name, times string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name, "-benchtime", times, "-timeout", "10m", pkg)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		m := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if m[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("%s printed no numbers:\n%s", name, out)
}
