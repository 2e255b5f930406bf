package archive

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// manifest says what an archive holds, with a hash for each file in it, and what it does not.
type manifest struct {
	Export    int64           `json:"export"`
	Contact   int64           `json:"contact"`
	Saga      string          `json:"saga"`
	Request   string          `json:"request,omitempty"`
	Scope     string          `json:"scope"`
	CreatedAt string          `json:"created_at"`
	Resources []resourceCount `json:"resources"`
	Files     []entry         `json:"files"`
	Withheld  []withholding   `json:"withheld"`
}

type resourceCount struct {
	Service string `json:"service"`
	Name    string `json:"name"`
	Records int64  `json:"records"`
}

type entry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// withholding is something about the person that the archive leaves out, and why.
type withholding struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// withheldAlways is what no archive holds.
var withheldAlways = []withholding{
	{"secrets of API keys", "only a keyed hash of them exists"},
	{"blind index entries", "keyed hashes of values that are in this archive"},
	{"mentions in documents of other people", "those documents belong to them (GDPR Article 15(4)) and are not searched"},
	{"the desk's requests and runs about the person", "ids, dates and states only, kept as proof that requests were answered (GDPR Article 5(2))"},
	{"names of agents", "agents are named by their id only; they are persons of their own"},
}

func (m *manifest) begin(doc *store.Export, call saga.Call) {
	m.Export, m.Contact, m.Saga = doc.ID, doc.Owner, call.Saga
	m.Request = call.Ref(flow.RefRequest)
	m.Scope = "access: all data held about the person (GDPR Article 15)"
	m.CreatedAt = doc.CreatedAt.UTC().Format(time.RFC3339)
	m.Withheld = withheldAlways
	m.Resources, m.Files = []resourceCount{}, []entry{}
}

func (m *manifest) entry(path string, size int64, sum []byte) {
	m.Files = append(m.Files, entry{path, size, hex.EncodeToString(sum)})
}

func (m *manifest) resource(service, name string, records int64) {
	m.Resources = append(m.Resources, resourceCount{service, name, records})
}

func (m *manifest) records() int64 {
	var n int64
	for _, r := range m.Resources {
		n += r.Records
	}
	return n
}

// write closes the archive's last entry and adds the manifest, which names all but itself.
func (m *manifest) write(z *bundle) error {
	z.finish()
	w, err := z.begin("manifest.json")
	if err != nil {
		return err
	}
	z.open = nil
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(m)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
