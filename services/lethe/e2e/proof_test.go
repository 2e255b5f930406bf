package e2e

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/lethe/internal/scan"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

// found searches folders for strings in every encoding and returns those that are there.
func found(t *testing.T, needles []string, paths ...string) map[string]string {
	t.Helper()
	set, err := scan.Compile(needles)
	if err != nil {
		t.Fatal(err)
	}
	hits := map[string]string{}
	result, err := set.Paths(t.Context(), paths, scan.Options{}, func(f scan.Finding) { hits[needles[f.Needle-1]] = f.Path })
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Unread) > 0 || result.Files == 0 {
		t.Fatalf("%d files were searched, these were not: %v", result.Files, result.Unread)
	}
	return hits
}

// Nothing personal is at rest in the clear: not while the person is there, not
// in an export, not in logs and spans, and not after the erasure.
func TestNoCanaryAtRest(t *testing.T) {
	d := newDesk(t)
	p := d.populate("anna", 3)
	root := filepath.Dir(d.dir)
	d.provoke(p)
	d.request("export", p.contact)
	if hits := found(t, p.canaries, root); len(hits) > 0 {
		t.Errorf("in the clear while the person is there: %v", hits)
	}
	d.request("erasure", p.contact)
	d.gone(p)
	d.stop()
	if hits := found(t, p.canaries, root); len(hits) > 0 {
		t.Errorf("in the clear after the erasure: %v", hits)
	}
	// The control: the search sees what is there.
	plant := filepath.Join(root, "plant")
	if err := os.WriteFile(plant, []byte(p.canaries[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	if hits := found(t, p.canaries, root); hits[p.canaries[0]] != plant {
		t.Error("the search does not find a planted canary")
	}
}

// provoke makes calls that fail with the person's values in every place a value can stand in.
func (d *desk) provoke(p *person) {
	d.t.Helper()
	for _, c := range p.canaries[:6] {
		d.do(http.MethodGet, "/api/v2/contacts/"+c, "", nil)
		d.do(http.MethodGet, "/api/v2/contacts?"+c+"="+c, "", nil)
		d.do(http.MethodGet, "/api/v2/contacts?email="+c+"&page="+c, "", nil)
		d.do(http.MethodGet, "/"+c, "", nil)
		d.do(http.MethodPost, "/api/v2/contacts", "application/json", []byte(`{"name":"`+c+`"`))
		d.do(http.MethodPost, "/api/v2/contacts", "application/json", []byte(`{"`+c+`":"`+c+`","email":7}`))
		d.do(http.MethodPost, "/api/v2/contacts", "application/json", []byte(`{"name":"`+c+`","email":"`+p.email+`"}`))
		d.do(http.MethodPost, "/api/v2/tickets", "application/json", []byte(`{"subject":"`+c+`"}`))
		d.do(http.MethodPost, "/api/v2/tickets", "application/json", []byte(`{"email":"`+c+`"}`))
		d.do(http.MethodPut, "/api/v2/contacts/"+p.contact, "application/json", []byte(`{"email":"`+c+`"}`))
	}
}

// copyTree copies a folder's files as they are.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// overlayKeys puts the key files of one data folder over those of another.
func overlayKeys(t *testing.T, from, to string) {
	t.Helper()
	for _, service := range programs[:5] {
		for _, suffix := range []string{".keys", ".keys.mirror"} {
			rel := filepath.Join(service, service+suffix)
			b, err := os.ReadFile(filepath.Join(from, rel))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to, rel), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A copy of databases and blobs from before an erasure opens with the keys
// from before, and with the keys that are left it does not; after an epoch the
// keys from before open nothing either.
func TestOldCopiesCannotBeOpened(t *testing.T) {
	d := newDesk(t)
	p, other := d.populate("anna", 2), d.populate("ben", 1)
	mine, bystander := d.snapshot(p), d.snapshot(other)
	d.stop()
	before := filepath.Join(t.TempDir(), "desk")
	copyTree(t, d.dir, before)

	d = open(t, d.dir)
	d.request("erasure", p.contact)
	d.stop()

	control := filepath.Join(t.TempDir(), "desk")
	copyTree(t, before, control)
	whole := open(t, control)
	same(t, "copy with its own keys", mine, whole.snapshot(p))
	whole.stop()

	mixed := filepath.Join(t.TempDir(), "desk")
	copyTree(t, before, mixed)
	overlayKeys(t, d.dir, mixed)
	left := open(t, mixed)
	same(t, "bystander in the copy with the keys that are left", bystander, left.snapshot(other))
	for path, answer := range left.snapshot(p) {
		for _, c := range p.canaries {
			if strings.Contains(answer, c) {
				t.Errorf("GET %s opens with the keys that are left: %s", path, c)
			}
		}
	}
	left.stop()

	if err := suite.RotateKeys(t.Context(), suite.Config{Dir: d.dir}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	stolen := filepath.Join(t.TempDir(), "desk")
	copyTree(t, before, stolen)
	master, err := os.ReadFile(filepath.Join(d.dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stolen, "master.key"), master, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := suite.New(t.Context(), suite.Config{Dir: stolen, HTTPAddr: "127.0.0.1:0", LogFile: filepath.Join(stolen, "log")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context()); err == nil {
		t.Error("key files from before the epoch open with the master key that is left")
		_ = s.Stop(context.Background())
	} else if !strings.Contains(err.Error(), "master") {
		t.Errorf("the refusal does not speak of the master key: %v", err)
	}
	after := open(t, d.dir)
	same(t, "bystander after the rotation", bystander, after.snapshot(other))
}

// A data folder that cannot be used is refused with a sentence that says what to do.
func TestUnusableFolders(t *testing.T) {
	d := newDesk(t)
	d.populate("anna", 1)
	start := func(dir string) error {
		s, err := suite.New(t.Context(), suite.Config{Dir: dir, HTTPAddr: "127.0.0.1:0", AdminKey: adminKey, LogFile: filepath.Join(t.TempDir(), "log")})
		if err != nil {
			return err
		}
		_, err = s.Start(t.Context())
		if err == nil {
			_ = s.Stop(context.Background())
		}
		return err
	}
	refused := func(what, say string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want a sentence with %q", what, err, say)
		}
	}
	refused("in use", "another process", start(d.dir))
	d.stop()

	foreign := filepath.Join(t.TempDir(), "desk")
	copyTree(t, d.dir, foreign)
	if err := os.Remove(filepath.Join(foreign, "master.key")); err != nil {
		t.Fatal(err)
	}
	refused("other master key", "--master-key", start(foreign))

	keyless := filepath.Join(t.TempDir(), "desk")
	copyTree(t, d.dir, keyless)
	for _, f := range []string{"tickets.keys", "tickets.keys.mirror"} {
		if err := os.Remove(filepath.Join(keyless, "tickets", f)); err != nil {
			t.Fatal(err)
		}
	}
	refused("without its keys", "key", start(keyless))

	newer := filepath.Join(t.TempDir(), "desk")
	copyTree(t, d.dir, newer)
	raiseVersion(t, filepath.Join(newer, "contacts", "contacts.db"))
	refused("newer version", "newer", start(newer))
}

// raiseVersion sets the user version in a SQLite file's header (bytes 60 to 63, big endian).
func raiseVersion(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0, 0, 0x7f, 0xff}, 60); err != nil {
		t.Fatal(err)
	}
}

// build compiles bin/lethe for a test, with build tags if any.
func build(t *testing.T, tags string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "lethe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", tags, "-o", bin, "../cmd/lethe")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build lethe: %v\n%s", err, out)
	}
	return bin
}

// The control of TestNoCanaryAtRest: a build that does not seal leaves what the scan must find.
func TestUnsealedBuildIsFound(t *testing.T) {
	bin := build(t, "lethe_unsealed")
	root := t.TempDir()
	p := start(t, bin, filepath.Join(root, "desk"))
	who := p.desk.populate("anna", 2)
	p.kill()
	hits := found(t, who.canaries, root)
	for _, c := range who.canaries {
		// Files are sealed by streaming encryption of their own, which the tag leaves alone.
		if hits[c] == "" && !strings.HasSuffix(c, "file") {
			t.Errorf("a build without sealing does not leave %s in the clear", c)
		}
	}
}
