package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/lethe-desk/lethe/services/lethe/internal/fsck"
)

// checkedDesk is a desk in which everything has happened: somebody has an archive,
// somebody is hidden, somebody is erased.
func checkedDesk(t *testing.T) (d *desk, dir string) {
	t.Helper()
	d = newDesk(t)
	anna, ben, carl := d.populate("anna", 2), d.populate("ben", 1), d.populate("carl", 1)
	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+ben.contact, nil)
	d.request("export", anna.contact)
	d.request("export", carl.contact)
	d.request("erasure", carl.contact)
	return d, d.dir
}

// examine checks a folder and returns its findings as "service flaw", those of warnings with a question mark.
func examine(t *testing.T, dir string, later time.Duration) (found, unchecked []string, err error) {
	t.Helper()
	r, err := fsck.Run(t.Context(), fsck.Options{Dir: dir, Now: func() time.Time { return time.Now().Add(later) }}, func(f fsck.Finding) {
		text := f.Service + " " + string(f.Flaw)
		if f.Warning {
			text += "?"
		}
		if f.Says == "" {
			t.Errorf("nothing is said about %s", f.Flaw)
		}
		for _, needle := range []string{"@", "canary"} {
			if strings.Contains(f.Detail, needle) {
				t.Errorf("%s tells a value: %s", text, f.Detail)
			}
		}
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	})
	for _, u := range r.Unchecked {
		unchecked = append(unchecked, u.Service)
	}
	slices.Sort(found)
	return found, unchecked, err
}

// amend runs SQL on a service's database.
func amend(service, sql string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		c, err := sqlite.OpenConn(filepath.Join(dir, service, service+".db"), sqlite.OpenReadWrite)
		if err == nil {
			err = sqlitex.ExecuteScript(c, sql, nil)
			if cerr := c.Close(); err == nil {
				err = cerr
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// blobs are the paths of a service's blobs.
func blobs(t *testing.T, dir, service string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, service, "blobs", "??", "??", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no blobs of %s: %v", service, err)
	}
	return paths
}

func mustWrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFsck finds nothing in the folder of a desk that was stopped, also by a
// kill, and every fault that is planted there.
func TestFsck(t *testing.T) {
	d, live := checkedDesk(t)
	if _, _, err := examine(t, live, 0); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a folder in use: %v", err)
	}
	killed := filepath.Join(t.TempDir(), "desk")
	copyTree(t, live, killed)
	if found, unchecked, err := examine(t, killed, 0); err != nil || len(found)+len(unchecked) > 0 {
		t.Errorf("a folder as a kill leaves it: %q, %q, %v", found, unchecked, err)
	}
	d.stop()
	name := strings.Repeat("ab", 14)
	for _, c := range []struct {
		name  string
		plant func(t *testing.T, dir string)
		later time.Duration
		want  string
	}{
		{"nothing", func(*testing.T, string) {}, time.Hour, ""},
		{"a claim is gone", amend("contacts", "DELETE FROM claims WHERE subject=(SELECT max(subject) FROM claims)"), 0, "contacts claim_missing"},
		{"a claim too many", amend("contacts", "INSERT INTO claims SELECT account, randomblob(32), subject, at FROM claims LIMIT 1"), 0, "contacts claim_unused?"},
		{"an account's number", amend("contacts", "UPDATE d_accounts SET id=7 WHERE id=1"), 0, "contacts sequence_behind"},
		{"a ticket's number", amend("tickets", "UPDATE sequences SET next=2 WHERE name='ticket'"), 0, "tickets sequence_behind"},
		{"no ticket's number", amend("tickets", "DELETE FROM sequences"), 0, "tickets sequence_behind"},
		{"a file is gone", func(t *testing.T, dir string) {
			for _, path := range blobs(t, dir, "tickets") {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		}, 0, "tickets blob_missing"},
		{"the folder of files is gone", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "tickets", "blobs"), filepath.Join(dir, "elsewhere")); err != nil {
				t.Fatal(err)
			}
		}, 0, "tickets blob_missing"},
		{"a file is short", func(t *testing.T, dir string) {
			if err := os.Truncate(blobs(t, dir, "tickets")[0], 50); err != nil {
				t.Fatal(err)
			}
		}, 0, "tickets blob_size"},
		{"a file of nobody", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "tickets", "blobs", "aa", "bb", name), []byte("noise"))
		}, 25 * time.Hour, "tickets blob_orphan"},
		{"a young file of nobody", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "tickets", "blobs", "aa", "bb", name), []byte("noise"))
		}, time.Hour, ""},
		{"a killed upload", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "tickets", "blobs", "aa", "bb", name+".1f.tmp"), []byte("noise"))
		}, 0, "tickets blob_unfinished?"},
		{"an archive is gone", func(t *testing.T, dir string) {
			if err := os.Remove(blobs(t, dir, "privacy")[0]); err != nil {
				t.Fatal(err)
			}
		}, 0, "privacy blob_missing"},
		{"an archive of nobody", amend("privacy", "UPDATE d_exports SET f_state='expired'"), 25 * time.Hour, "privacy blob_orphan"},
		{"an archive is offered too long", func(*testing.T, string) {}, 30 * 24 * time.Hour, "privacy export_overdue?"},
		{"a saga of no kind", amend("privacy", "UPDATE d_sagas SET f_kind='nothing', f_state='running' WHERE doc=1"), 0, "privacy saga_unknown"},
		{"a saga of an older making", amend("privacy", "UPDATE d_sagas SET f_kind='restore', f_state='running' WHERE f_kind='export'"), 0, "privacy saga_unknown"},
		{"a saga that cannot be read", amend("privacy", "UPDATE d_sagas SET f_run=x'01' WHERE doc=1"), 0, "privacy saga_unknown"},
		{"a saga waits", amend("privacy", "UPDATE d_sagas SET f_state='parked' WHERE doc=1"), 0, "privacy saga_parked?"},
		{"a saga is gone", amend("privacy", "DELETE FROM d_sagas WHERE f_kind='erase_contact'"), 0, "privacy request_without_saga"},
		{"a topic of somebody else", amend("forums", "UPDATE d_topics SET owner=0 WHERE owner<>0"), 0, "forums sealed_with_other_key"},
		{"a rating is changed", amend("ratings", "UPDATE d_satisfaction_ratings SET sealed=zeroblob(90)"), 0, "ratings part_does_not_open"},
		{"a hash is gone", amend("tickets", "DELETE FROM b_tickets__mention"), 0, "tickets index_wrong"},
		{"a mirror is gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "forums", "forums.keys.mirror")); err != nil {
				t.Fatal(err)
			}
		}, 0, "forums key_mirror_differs"},
		{"a rotation was killed", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "ratings", "ratings.keys.new"), nil)
		}, 0, "ratings file_left_behind?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "desk")
			copyTree(t, live, dir)
			c.plant(t, dir)
			found, unchecked, err := examine(t, dir, c.later)
			if err != nil || len(unchecked) > 0 || strings.Join(found, ", ") != c.want {
				t.Errorf("found %q, want %q; %q, %v", found, c.want, unchecked, err)
			}
		})
	}
	unusable(t, live)
}

// unusable are folders of which something cannot be looked at.
func unusable(t *testing.T, live string) {
	for _, c := range []struct {
		name      string
		plant     func(t *testing.T, dir string)
		found     string
		unchecked int
		say       string
	}{
		{"another master key", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "master.key"), nil)
		}, "", 0, "master key"},
		{"no master key", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "master.key")); err != nil {
				t.Fatal(err)
			}
		}, "", 0, "--master-key"},
		{"no folder of lethe", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, "", 0, "no data folder"},
		{"keys of another desk", func(t *testing.T, dir string) {
			for _, file := range []string{"tickets.keys", "tickets.keys.mirror"} {
				mustWrite(t, filepath.Join(dir, "tickets", file), bytes.Repeat([]byte{1}, 8192))
			}
		}, "tickets key_files_unusable", 1, ""},
		{"no database", func(t *testing.T, dir string) {
			mustWrite(t, filepath.Join(dir, "tickets", "tickets.db"), bytes.Repeat([]byte{1}, 8192))
		}, "tickets store_damaged", 1, ""},
		{"a newer version", func(t *testing.T, dir string) {
			raiseVersion(t, filepath.Join(dir, "tickets", "tickets.db"))
		}, "", 1, ""},
	} {
		dir := filepath.Join(t.TempDir(), "desk")
		copyTree(t, live, dir)
		c.plant(t, dir)
		found, unchecked, err := examine(t, dir, 0)
		if strings.Join(found, ", ") != c.found || len(unchecked) != c.unchecked || (err == nil) != (c.say == "") || !strings.Contains(fmt.Sprint(err), c.say) {
			t.Errorf("%s: %q, %q, %v", c.name, found, unchecked, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fsck.Run(ctx, fsck.Options{Dir: live}, func(fsck.Finding) {}); err == nil {
		t.Error("a check that was stopped has ended well")
	}
}
