package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/mongo/mongotest"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
)

// shape is one of the four forms in which a desk runs.
type shape struct {
	name string
	// apart has each service in a process of its own, mongo keeps its documents in MongoDB.
	apart, mongo bool
}

var forms = []shape{
	{"one process on SQLite", false, false}, {"one process on MongoDB", false, true},
	{"six processes on SQLite", true, false}, {"six processes on MongoDB", true, true},
}

// grace is for how long fences wait in these tests: the wire server answers within milliseconds.
const grace = "500ms"

// mongoOf says which databases a test uses.
func mongoOf(t *testing.T) (server *mongotest.Server, prefix string) {
	t.Helper()
	return mongotest.Start(t), "e2e_" + strings.ToLower(strings.NewReplacer("/", "_", " ", "_").Replace(filepath.Base(t.TempDir())+fmt.Sprint(time.Now().UnixNano())))
}

// onMongo returns settings for databases of the test's own, and the folder in which our own server keeps them.
func onMongo(t *testing.T) (place config.Storage, files string) {
	t.Helper()
	server, prefix := mongoOf(t)
	place = config.Storage{MongoURI: config.Secret(server.URI), MongoPrefix: prefix, MongoUnsafeStandalone: server.Standalone}
	if err := place.MongoGrace.UnmarshalText([]byte(grace)); err != nil {
		t.Fatal(err)
	}
	return place, server.Dir
}

// A rotation reaches keys in a database too: everybody is still there after it.
func TestKeysOnMongoAreRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "desk")
	place, _ := onMongo(t)
	d := openWith(t, dir, suite.Config{Storage: place})
	ben := d.populate("ben", 1)
	want := d.snapshot(ben)
	d.stop()
	old, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	if err := suite.RotateKeys(t.Context(), suite.Config{Dir: dir, Storage: place}, func(string) { steps++ }); err != nil {
		t.Fatal(err)
	}
	if steps != len(programs)-1+2 {
		t.Errorf("%d steps were told", steps)
	}
	d = openWith(t, dir, suite.Config{Storage: place})
	same(t, "after the rotation", want, d.snapshot(ben))
	d.stop()
	// The control: the master key from before opens nothing any more.
	if err := os.WriteFile(filepath.Join(dir, "master.key"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := suite.New(t.Context(), suite.Config{Dir: dir, Storage: place, HTTPAddr: "127.0.0.1:0", LogFile: filepath.Join(dir, "log"), AdminKey: adminKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context()); err == nil {
		t.Error("the old master key opens keys of the new epoch")
	}
	_ = s.Stop(t.Context())
}

// start starts a desk in this form and returns it with all folders it leaves traces in.
func (f shape) start(t *testing.T) (*desk, []string) {
	t.Helper()
	root := t.TempDir()
	dir, traces := filepath.Join(root, "desk"), []string{root}
	var env []string
	var place config.Storage
	if f.mongo {
		var files string
		place, files = onMongo(t)
		env = append(env, "LETHE_MONGO_URI="+place.MongoURI.Reveal(), "LETHE_MONGO_PREFIX="+place.MongoPrefix, "LETHE_MONGO_GRACE="+grace,
			fmt.Sprintf("LETHE_MONGO_UNSAFE_STANDALONE=%v", place.MongoUnsafeStandalone))
		if files != "" {
			traces = append(traces, files)
		}
	}
	if !f.apart {
		d := openWith(t, dir, suite.Config{Storage: place})
		return d, traces
	}
	fleet := launch(t, dir, programs, env...)
	for _, name := range programs {
		fleet.ready(name)
	}
	return fleet.desk, traces
}

// The life of a person in the desk is the same in all four forms: exported,
// hidden and shown again as before, erased; nothing of the person is left in
// any file, and nobody else's data has changed.
func TestLifeInEveryForm(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			d, traces := f.start(t)
			anna, ben := d.populate("anna", 2), d.populate("ben", 1)
			before, bystander := d.snapshot(anna), d.snapshot(ben)
			request, _ := d.request("export", anna.contact)
			archive := d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/exports/"+fmt.Sprint(request["export_id"])+"/download", nil)
			checkArchive(t, anna, ben, unzip(t, archive))

			d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+anna.contact, nil)
			for _, path := range anna.own {
				d.hides(path, anna)
			}
			d.must(http.StatusNoContent, http.MethodPut, "/api/v2/contacts/"+anna.contact+"/restore", nil)
			same(t, "restored", before, d.snapshot(anna))

			_, saga := d.request("erasure", anna.contact)
			d.gone(anna)
			checkOutcomes(t, saga, unzip(t, archive))
			same(t, "bystander", bystander, d.snapshot(ben))
			for _, dir := range traces {
				if hits := found(t, append(anna.canaries, ben.canaries...), dir); len(hits) > 0 {
					t.Errorf("in the clear: %v", hits)
				}
			}
		})
	}
}

// hides checks that a path shows nothing of a hidden person.
func (d *desk) hides(path string, p *person) {
	d.t.Helper()
	status, body := d.do(http.MethodGet, path, "", nil)
	if status == http.StatusNotFound {
		return
	}
	for _, c := range p.canaries {
		if strings.Contains(string(body), c) {
			d.t.Errorf("GET %s of a hidden person: %d %s", path, status, body)
		}
	}
}

// openWith starts a suite in a folder with settings of its own; it is stopped with the test unless stop was called.
func openWith(t *testing.T, dir string, c suite.Config) *desk {
	t.Helper()
	d := &desk{t: t, dir: dir, log: filepath.Join(filepath.Dir(dir), "suite.log"), spans: &spanLog{}}
	c.Dir, c.HTTPAddr, c.AdminKey, c.Reflection = dir, "127.0.0.1:0", adminKey, true
	c.LogFile, c.TraceFile = d.log, filepath.Join(filepath.Dir(dir), "spans.jsonl")
	c.Exporters = []sdktrace.SpanExporter{d.spans}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := suite.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if d.addrs, err = s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.suite, d.base = s, d.addrs.HTTP
	t.Cleanup(d.stop)
	return d
}
