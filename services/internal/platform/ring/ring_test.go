package ring_test

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// table is mode by purpose, written down by hand: x is refused. The columns are
// hidden, restricted, erasing, erased.
var table = []struct {
	p    ring.Purpose
	name string
	row  string
}{
	{ring.Read, "read", "xxxx"},
	{ring.DeletedView, "deleted view", "-xxx"},
	{ring.Write, "write", "xxxx"},
	{ring.FileSpam, "file as spam", "-xxx"},
	{ring.Export, "export", "--xx"},
	{ring.Rectify, "rectify", "--xx"},
	{ring.Redact, "redact", "---x"},
	{ring.Reseal, "reseal", "---x"},
	{ring.Restore, "restore", "--xx"},
	{ring.Sweep, "sweep", "----"},
	{ring.Rebuild, "rebuild", "---x"},
}

var modes = []ring.Mode{ring.Hidden, ring.Restricted, ring.Erasing, ring.Erased}

func TestModeByPurpose(t *testing.T) {
	if len(table) != len(ring.Purposes()) {
		t.Fatalf("the table has %d purposes, the package %d", len(table), len(ring.Purposes()))
	}
	for _, tc := range table {
		// every set of modes, not only single ones: the strictest wins
		for set := ring.Mode(0); set < 16; set++ {
			want := true
			for i, m := range modes {
				if set.Has(m) && tc.row[i] == 'x' {
					want = false
				}
			}
			if got := ring.Allow(set, tc.p); got != want {
				t.Errorf("%s under modes %04b: allowed %v, want %v", tc.name, set, got, want)
			}
		}
	}
}

func TestUnknownPurposeIsRefused(t *testing.T) {
	for _, p := range []ring.Purpose{0, ring.Rebuild + 1, 255} {
		if _, known := ring.Forbidden(p); known || ring.Allow(0, p) {
			t.Errorf("purpose %d is allowed", p)
		}
	}
}

func TestStrictest(t *testing.T) {
	for set := ring.Mode(1); set < 16; set++ {
		got := set.Strictest()
		if !set.Has(got) || got == 0 || set >= got<<1 {
			t.Errorf("strictest of %04b is %04b", set, got)
		}
	}
	if ring.Mode(0).Strictest() != 0 || ring.Mode(0).String() != "none" {
		t.Error("no mode must be none")
	}
	for m, want := range map[ring.Mode]string{ring.Hidden: "hidden", ring.Hidden | ring.Restricted: "restricted",
		ring.Erasing | ring.Hidden: "erasing", ring.Erased | ring.Erasing: "erased"} {
		if m.String() != want {
			t.Errorf("mode %04b is called %q, want %q", m, m, want)
		}
	}
}

func TestEntryModes(t *testing.T) {
	e := ring.Entry{Fences: []ring.Fence{{Mode: ring.Hidden, Saga: "a"}, {Mode: ring.Restricted, Saga: "b"}, {Mode: ring.Hidden, Saga: "c"}}}
	if e.Modes() != ring.Hidden|ring.Restricted {
		t.Errorf("modes %04b", e.Modes())
	}
	if e = (ring.Entry{Destroyed: true}); e.Modes() != ring.Erasing {
		t.Errorf("a destroyed entry without fences has modes %04b", e.Modes())
	}
}

// TestTokenOrder checks that tokens are totally ordered: sequence, then epoch, then stage.
func TestTokenOrder(t *testing.T) {
	token := rapid.Custom(func(t *rapid.T) ring.Token {
		return ring.Token{Sequence: rapid.Int64Range(-2, 2).Draw(t, "sequence"), Epoch: rapid.Int32Range(-2, 2).Draw(t, "epoch"),
			Stage: rapid.Int32Range(-2, 2).Draw(t, "stage")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := token.Draw(t, "a"), token.Draw(t, "b"), token.Draw(t, "c")
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatal("not antisymmetric")
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatal("not transitive")
		}
		if a.Sequence != b.Sequence && a.Compare(b) != cmp.Compare(a.Sequence, b.Sequence) {
			t.Fatal("the sequence does not come first")
		}
	})
}
