package keyring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSealOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := randomKey()
		plain := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "plain")
		additional := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "additional")
		other := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "other")
		sealed := k.Seal([]byte("x"), plain, additional)[1:]
		if len(sealed) != len(plain)+Overhead {
			t.Fatalf("%d bytes became %d", len(plain), len(sealed))
		}
		got, err := k.Open([]byte("y"), sealed, additional)
		if err != nil || !bytes.Equal(got, append([]byte("y"), plain...)) {
			t.Fatalf("opened %x: %v", got, err)
		}
		if _, err := k.Open(nil, sealed, other); !bytes.Equal(additional, other) != errors.Is(err, ErrOpen) {
			t.Fatalf("other additional data: %v", err)
		}
		bad := bytes.Clone(sealed)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		for name, try := range map[string]func() ([]byte, error){
			"a flipped bit": func() ([]byte, error) { return k.Open(nil, bad, additional) },
			"a shorter one": func() ([]byte, error) { return k.Open(nil, sealed[:len(sealed)-1], additional) },
			"nothing":       func() ([]byte, error) { return k.Open(nil, nil, additional) },
			"another key":   func() ([]byte, error) { return randomKey().Open(nil, sealed, additional) },
			"a derived key": func() ([]byte, error) { return k.Derive("x").Open(nil, sealed, additional) },
		} {
			if _, err := try(); !errors.Is(err, ErrOpen) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if bytes.Equal(sealed, k.Seal(nil, plain, additional)) {
			t.Fatal("sealing twice gave the same bytes")
		}
	})
}

func TestDeriveAndMAC(t *testing.T) {
	k := newKey(KeyID{1}, bytes.Repeat([]byte{9}, keySize))
	a, again := k.Derive("a"), k.Derive("a")
	if a.raw != again.raw || a.raw == k.Derive("b").raw || a.raw == k.raw {
		t.Error("derived keys do not depend on the label alone")
	}
	if k.Derive("a").ID() != k.ID() {
		t.Error("a derived key has another id")
	}
	seen := map[[32]byte]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"b", "a"}} {
		var in [][]byte
		for _, p := range parts {
			in = append(in, []byte(p))
		}
		sum := k.MAC(in...)
		if was, ok := seen[sum]; ok {
			t.Errorf("%q and %q have the same hash", parts, was)
		}
		seen[sum] = fmt.Sprint(parts)
		if sum != k.MAC(in...) || sum == k.Derive("a").MAC(in...) {
			t.Error("the hash does not depend on key and parts alone")
		}
	}
}

func TestNothingIsPrinted(t *testing.T) {
	k := newKey(KeyID{}, []byte("SECRETSECRETSECRETSECRETSECRETSE"))
	j, err := json.Marshal(map[string]any{"k": k})
	all := fmt.Sprintf("%v %+v %#v %s %q %s %v", k, k, k, k, k, must(t, j, err), k.LogValue())
	if strings.Contains(all, "SECRET") || strings.Contains(all, "83, 69") || !strings.Contains(all, placeholder) {
		t.Errorf("printed %s", all)
	}
}

// Random lives of a key file against a plain map.
func TestModel(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		ctx := context.Background()
		dir := fmt.Sprintf("%s/%d", base, run)
		must(t, 0, os.MkdirAll(dir, 0o700))
		d := &desk{t: t, dir: dir + "/data", master: dir + "/master"}
		f := d.open(nil)
		defer func() { d.close(f) }()
		free := map[int64]bool{}
		for i := range int64(70) {
			free[i] = true
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				var want []int64
				for range rapid.IntRange(1, 6).Draw(rt, "n") {
					if i := rapid.Int64Range(0, 69).Draw(rt, "slot"); free[i] {
						want = append(want, i)
						delete(free, i)
					}
				}
				d.fill(f, rapid.Int64Range(0, 3).Draw(rt, "account"), want)
			case 1:
				if len(d.people) > 0 {
					slot := d.people[rapid.IntRange(0, len(d.people)-1).Draw(rt, "who")].Index
					d.destroy(f, slot)
					free[slot] = true
				}
			case 2:
				d.close(f)
				f = d.open(nil)
			case 3:
				must(t, 0, RotateMaster(d.master))
				must(t, 0, f.o.Master.Reload())
				must(t, 0, f.Rotate(ctx))
				must(t, 0, FinishRotation(d.master))
				must(t, 0, f.o.Master.Reload())
			}
			if err := d.check(f); err != nil {
				rt.Fatal(err)
			}
		}
	})
}
