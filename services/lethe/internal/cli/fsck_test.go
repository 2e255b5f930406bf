package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// TestFsck is what the command prints and the code it ends with.
func TestFsck(t *testing.T) {
	dir := t.TempDir()
	slot := int64(7)
	fault := FsckFinding{Service: "tickets", Flaw: "key_missing", Account: 1, ID: 5, Slot: &slot, Says: "do something"}
	warning := FsckFinding{Service: "privacy", Flaw: "saga_parked", Warning: true, Collection: "sagas", Account: 1, ID: 9, Detail: "a detail", Says: "wait"}
	env := func(checked FsckChecked, err error, found ...FsckFinding) Env {
		return Env{Fsck: func(_ context.Context, c Fsck, w FsckWatch) (FsckChecked, error) {
			if c.Dir != dir || c.MasterKey != "" {
				t.Errorf("%+v", c)
			}
			for _, f := range found {
				w.Found(f)
			}
			w.Progress("tickets", "ring", 5, 10)
			w.Progress("tickets", "ring", 10, 10)
			return checked, err
		}}
	}
	both := FsckChecked{Services: []string{"tickets", "privacy"}}
	for _, c := range []struct {
		env  Env
		args []string
		code int
		out  []string
	}{
		{env(both, nil), nil, ExitDone, []string{"0 faults and 0 warnings in 2 services; 0 not checked\n"}},
		{env(both, nil, warning), nil, ExitDone, []string{"privacy: warning saga_parked in sagas account 1 id 9 (a detail): wait\n", "0 faults and 1 warnings"}},
		{env(both, nil, fault, warning), nil, ExitFailed, []string{"tickets: fault key_missing account 1 id 5 slot 7: do something\n", "1 faults and 1 warnings"}},
		{env(both, nil, fault, fault, fault), []string{"--per-flaw", "1"}, ExitFailed, []string{"tickets: and 2 more key_missing; --per-flaw 0 prints all\n", "3 faults"}},
		{env(FsckChecked{Services: []string{"privacy"}, Unchecked: []FsckUnchecked{{"tickets", "it is newer"}}}, nil), nil, ExitUsage, []string{"tickets: not checked: it is newer\n", "1 not checked"}},
		{env(FsckChecked{}, errors.New("lethe runs on it")), nil, ExitUsage, nil},
	} {
		got := lethe(t, c.env, append([]string{"fsck", dir}, c.args...)...)
		if got.code != c.code {
			t.Errorf("exit %d, want %d: %+v", got.code, c.code, got)
		}
		for _, want := range c.out {
			if !strings.Contains(got.out, want) {
				t.Errorf("%q lacks %q", got.out, want)
			}
		}
		if !strings.Contains(got.err, "tickets ring: 10 of 10") {
			t.Errorf("progress: %q", got.err)
		}
	}
	if got := lethe(t, env(FsckChecked{}, errors.New("lethe runs on it")), "fsck", dir); !strings.Contains(got.err, "lethe runs on it") {
		t.Errorf("%+v", got)
	}
	var result struct {
		Findings []map[string]any `json:"findings"`
		Faults   int              `json:"faults"`
	}
	got := lethe(t, env(both, nil, fault), "--json", "fsck", dir)
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Faults != 1 || result.Findings[0]["slot"] != 7.0 || result.Findings[0]["flaw"] != "key_missing" {
		t.Errorf("%v: %s", err, got.out)
	}
	if got := lethe(t, Env{}, "fsck", dir+"/nowhere"); got.code != ExitUsage {
		t.Errorf("no such folder: %+v", got)
	}
}
