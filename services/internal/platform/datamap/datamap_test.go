package datamap

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

// sample is a small map that has every kind of thing in it.
func sample() Map {
	return Map{
		Rows: []Row{
			{Service: "contacts", Resource: "contacts", Field: "id", Category: "links", Role: "subject_link", Owner: "subject", OnErase: "delete_record", Purpose: "Knowing whom the desk helps"},
			{Service: "contacts", Resource: "contacts", Field: "name", Category: "identity", Owner: "subject", OnErase: "delete", Purpose: "Knowing whom the desk helps"},
			{Service: "forums", Resource: "topics", Field: "title", Category: "content", Owner: "subject", OnErase: "blank", Purpose: "Talking, \"in public\""},
			{Service: "forums", Resource: "articles", Field: "agent_id", Category: "links", Role: "author_link", Owner: "account", OnErase: "reown", Purpose: "Knowledge, <shared>"},
			{Service: "privacy", Resource: "requests", Field: "contact_id", Category: "links", Role: "subject_link", Owner: "account", OnErase: "retain", Ground: "proof (Article 5(2))", Purpose: "Proving"},
		},
		Flows: []Flow{
			{Source: "contacts", Target: "gateway", Service: "lethe.contacts.v1.AgentsService", Categories: []string{"contact_details"}},
			{Source: "contacts", Target: "gateway", Service: "lethe.contacts.v1.ContactsService", Categories: []string{"identity", "links"}},
			{Source: "gateway", Target: "forums", Service: "lethe.forums.v1.TopicsService", Categories: []string{"content"}},
		},
	}
}

func golden(t *testing.T, file string, draw func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := draw(&b); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join("testdata", file)
	if os.Getenv("LETHE_UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is not what is drawn; look at the difference and run with LETHE_UPDATE_GOLDEN=1", file)
	}
	return b.Bytes()
}

func TestRenderers(t *testing.T) {
	m := sample()
	golden(t, "flows.csv", m.FlowsCSV)
	lines, err := csv.NewReader(bytes.NewReader(golden(t, "rows.csv", m.RowsCSV))).ReadAll()
	if err != nil || len(lines) != 1+len(m.Rows) || lines[3][8] != m.Rows[2].Purpose {
		t.Errorf("read back: %v, %v", lines, err)
	}
	if faults := unreadable(golden(t, "map.svg", m.SVG), m); faults != nil {
		t.Error(faults)
	}
}

// The whole contract can be drawn, too.
func TestTheContractIsDrawn(t *testing.T) {
	m := Read()
	var b bytes.Buffer
	if err := m.SVG(&b); err != nil {
		t.Fatal(err)
	}
	if faults := unreadable(b.Bytes(), m); faults != nil {
		t.Error(faults)
	}
}

// Sabotage: what the check of a drawing has to see.
func TestUnreadableDrawingsAreSeen(t *testing.T) {
	m := sample()
	var b bytes.Buffer
	if err := m.SVG(&b); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"script":        {"</svg>", "<script>1</script></svg>"},
		"request":       {"</svg>", `<image href="https://example.org/x.png"/></svg>`},
		"style request": {"</svg>", "<style>@import url(//example.org/a.css)</style></svg>"},
		"no title":      {`<title id="title">`, `<title id="other">`},
		"no desc":       {"<desc", "<g"},
		"text as shape": {"contacts → gateway", "drawn"},
		"broken":        {"</svg>", ""},
		"lost service":  {">forums<", "><"},
	} {
		if unreadable(bytes.Replace(b.Bytes(), []byte(pair[0]), []byte(pair[1]), 1), m) == nil {
			t.Errorf("%s is not seen", name)
		}
	}
}

// unreadable returns what is wrong with a drawing.
func unreadable(svg []byte, m Map) error {
	var faults []error
	bad := func(what string) { faults = append(faults, errors.New(what)) }
	var texts []string
	ids := map[string]string{}
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch e := tok.(type) {
		case xml.StartElement:
			if slices.Contains([]string{"script", "style", "image", "use", "a", "foreignObject", "iframe"}, e.Name.Local) {
				bad(e.Name.Local)
			}
			for _, a := range e.Attr {
				if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "url(") && a.Value != "url(#tip)" {
					bad(a.Name.Local)
				}
				if a.Name.Local == "id" {
					ids[a.Value] = e.Name.Local
				}
			}
		case xml.CharData:
			texts = append(texts, string(e))
		}
	}
	if ids["title"] != "title" || ids["desc"] != "desc" {
		bad("no title or description")
	}
	all := strings.Join(texts, "\n")
	for _, n := range m.services() {
		if !slices.Contains(texts, n) {
			bad("no line for a service")
		}
	}
	for _, p := range m.pairs() {
		if !strings.Contains(all, p.source+" → "+p.target+": "+sentence(p.categories)) {
			bad("a flow is not said")
		}
	}
	return errors.Join(faults...)
}

// Every personal field of everything that is stored is in the map, once, and
// nothing else is.
func TestMapIsWhole(t *testing.T) {
	m := Read()
	if faults := gaps(m); faults != nil {
		t.Error(faults)
	}
	less := m
	less.Rows = slices.Delete(slices.Clone(m.Rows), 3, 4)
	more := m
	more.Rows = append(slices.Clone(m.Rows), m.Rows[0])
	for name, broken := range map[string]Map{"a field less": less, "a field twice": more} {
		if gaps(broken) == nil {
			t.Errorf("%s is not seen", name)
		}
	}
}

// gaps walks the contract its own way: over all fields of all messages.
func gaps(m Map) error {
	have := map[string]int{}
	for _, r := range m.Rows {
		have[r.Resource+" "+r.Field]++
	}
	var faults []error
	for _, f := range contract.Files() {
		for i := range f.Messages().Len() {
			md := f.Messages().Get(i)
			r := contract.Resource(md)
			if r == nil || r.GetOwner() == optionsv1.Owner_OWNER_NONE {
				continue
			}
			for j := range md.Fields().Len() {
				fd := md.Fields().Get(j)
				p := contract.Personal(fd)
				leaf := fd.Message() == nil || fd.IsMap() || !strings.HasPrefix(string(fd.Message().FullName()), "lethe.")
				if p == nil || !leaf || p.GetOnErase() == optionsv1.EraseAction_ERASE_ACTION_TRANSIENT {
					continue
				}
				key := r.GetName() + " " + string(fd.Name())
				if have[key] != 1 {
					faults = append(faults, errors.New("not once in the map: "+key))
				}
				delete(have, key)
			}
		}
	}
	for key := range have {
		if !strings.Contains(key, ".") {
			faults = append(faults, errors.New("in the map and not in the contract: "+key))
		}
	}
	return errors.Join(faults...)
}

func TestRowsAndFlowsOfTheContract(t *testing.T) {
	m := Read()
	row := func(resource, field string) Row {
		i := slices.IndexFunc(m.Rows, func(r Row) bool { return r.Resource == resource && r.Field == field })
		if i < 0 {
			t.Fatalf("no row %s.%s", resource, field)
		}
		return m.Rows[i]
	}
	if r := row("contacts", "email"); r.Service != "contacts" || r.Category != "contact_details" || r.Owner != "subject" || r.OnErase != "delete" || r.Purpose == "" {
		t.Errorf("%+v", r)
	}
	if r := row("agents", "contact.email"); r.Category != "contact_details" {
		t.Errorf("%+v", r)
	}
	if r := row("requests", "contact_id"); r.Category != "links" || r.Role != "subject_link" || r.OnErase != "retain" || r.Ground == "" {
		t.Errorf("%+v", r)
	}
	flow := func(source, target, service string) []string {
		for _, f := range m.Flows {
			if f.Source == source && f.Target == target && strings.HasSuffix(f.Service, service) {
				return f.Categories
			}
		}
		return nil
	}
	for name, ok := range map[string]bool{
		"privacy hands identifiers to tickets":       slices.Contains(flow("privacy", "tickets", "PersonalDataService"), "contact_details"),
		"tickets hands an export to privacy":         slices.Contains(flow("tickets", "privacy", "PersonalDataService"), "content"),
		"contacts hands no content into exports":     !slices.Contains(flow("contacts", "privacy", "PersonalDataService"), "opinion"),
		"contacts shows people to tickets":           slices.Contains(flow("contacts", "tickets", "ContactsService"), "identity"),
		"tickets hands addresses to contacts":        slices.Contains(flow("tickets", "contacts", "ContactsService"), "contact_details"),
		"forums never calls tickets":                 flow("forums", "tickets", "TicketsService") == nil,
		"nobody hands anything to itself":            !slices.ContainsFunc(m.Flows, func(f Flow) bool { return f.Source == f.Target }),
		"each flow carries something":                !slices.ContainsFunc(m.Flows, func(f Flow) bool { return len(f.Categories) == 0 }),
		"the gateway shows what it is asked to show": slices.Contains(flow("tickets", "gateway", "TicketsService"), "content"),
	} {
		if !ok {
			t.Error(name)
		}
	}
}

// A package of the contract that is not linked in would be missing silently.
func TestEveryPackageIsLinked(t *testing.T) {
	dirs, err := os.ReadDir(filepath.Join("..", "..", "..", "..", "proto", "lethe"))
	if err != nil || len(dirs) < 6 {
		t.Fatalf("%d folders of the contract, %v", len(dirs), err)
	}
	linked := map[string]bool{"options": true}
	for _, f := range contract.Files() {
		linked[serviceOf(f)] = true
	}
	for _, d := range dirs {
		if !linked[d.Name()] {
			t.Errorf("%s is not linked in", d.Name())
		}
	}
	if serviceOf(optionsv1.File_lethe_options_v1_options_proto) != "options" {
		t.Error("the name of a package's service")
	}
}
