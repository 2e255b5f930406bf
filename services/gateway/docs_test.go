package gateway

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/lethe-desk/lethe/gen/openapi"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
)

// document loads the description and checks it against the rules of OpenAPI.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// undescribed returns what the table answers and the description does not, and the other way round.
func undescribed(table map[string]*route.Route, doc *openapi3.T) []string {
	var wrong []string
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for verb, op := range item.Operations() {
			described[verb+" "+path] = true
			r := table[verb+" "+path]
			if r == nil {
				wrong = append(wrong, verb+" "+path+" is described and nobody answers it")
				continue
			}
			if op.Responses.Status(r.Status()) == nil {
				wrong = append(wrong, verb+" "+path+" answers "+strconv.Itoa(r.Status())+", which is not described")
			}
			if (op.RequestBody != nil) != (r.Body != nil || r.Whole) {
				wrong = append(wrong, verb+" "+path+": the body is described wrong")
			}
			for name := range r.Query {
				if op.Parameters.GetByInAndName("query", name) == nil {
					wrong = append(wrong, verb+" "+path+" takes "+name+", which is not described")
				}
			}
		}
	}
	for at := range table {
		if !described[at] {
			wrong = append(wrong, at+" is answered and not described")
		}
	}
	slices.Sort(wrong)
	return wrong
}

func allRoutes(t *testing.T, g *Gateway) map[string]*route.Route {
	t.Helper()
	table := map[string]*route.Route{}
	own, err := route.Own()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range g.services() {
		routes, err := route.Of(s.name)
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, routes...)
	}
	for _, r := range own {
		m, ok := g.table.Find(r.Template)
		if !ok || m.Route(r.Verb) == nil {
			t.Fatalf("%s %s is not in the table", r.Verb, r.Template)
		}
		table[r.Verb+" "+r.Template] = r
	}
	return table
}

func TestDescriptionFitsTheHandlers(t *testing.T) {
	w := start(t, nil)
	doc, table := document(t), allRoutes(t, w.gw)
	if wrong := undescribed(table, doc); len(wrong) > 0 {
		t.Error(strings.Join(wrong, "\n"))
	}
	// The control: each kind of difference is seen.
	delete(table, "GET /api/v2/surveys")
	doc.Paths.Delete("/api/v2/chats/{id}")
	doc.Paths.Value("/api/v2/contacts").Get.Parameters = nil
	doc.Paths.Value("/api/v2/contacts").Post.RequestBody = nil
	doc.Paths.Value("/api/v2/agents").Post.Responses.Delete("201")
	if wrong := undescribed(table, doc); len(wrong) < 6 {
		t.Errorf("only seen: %q", wrong)
	}
}

// Every answer the golden files hold is one the description allows.
func TestDescriptionFitsTheAnswers(t *testing.T) {
	doc := document(t)
	for name, schema := range map[string]string{
		"contact": "Contact", "agent": "Agent", "ticket": "Ticket", "ticket_with_includes": "Ticket", "topic": "Topic",
		"comment": "Comment", "forum": "Forum", "article": "Article", "rating": "SatisfactionRating",
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "golden", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var answer map[string]any
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Fatal(err)
		}
		s := doc.Components.Schemas[schema].Value
		if err := s.VisitJSON(answer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		answer["nobody_described_me"] = 1.0
		if s.VisitJSON(answer) == nil {
			t.Errorf("%s: a member more is not seen", name)
		}
		delete(answer, "nobody_described_me")
		answer["id"] = "7"
		if s.VisitJSON(answer) == nil {
			t.Errorf("%s: a wrong type is not seen", name)
		}
	}
}

var outside = regexp.MustCompile(`(?i)(src|href|action|url\()\s*=?\s*["'(]?\s*(https?:)?//|<script|@import`)

func TestDescriptionIsServed(t *testing.T) {
	w := start(t, nil)
	r := w.do("GET", "/openapi.json", "", "Authorization", "")
	r.want(t, 200, string(openapi.Document))
	if r.Header.Get("Content-Type") != jsonType {
		t.Error(r.Header)
	}
	r = w.do("GET", "/docs", "", "Authorization", "")
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
	if found := outside.FindString(r.body); found != "" {
		t.Errorf("the page asks elsewhere: %q", found)
	}
	for path, item := range document(t).Paths.Map() {
		if !strings.Contains(r.body, "<code>"+path+"</code>") || len(item.Operations()) == 0 {
			t.Errorf("%s is not on the page", path)
		}
	}
	w.do("POST", "/docs", "{}").want(t, 405, "*")
	if outside.FindString(`<a href="https://elsewhere.example">`) == "" || outside.FindString(`<link href='//x'>`) == "" {
		t.Error("the search for outside requests finds nothing")
	}
}
