package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestSoftDeleteHidesAndRestoreBringsBackTheSame(t *testing.T) {
	d := newDesk(t)
	p, other := d.populate("anna", 3), d.populate("ben", 2)
	before, bystander := d.snapshot(p), d.snapshot(other)

	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
	for _, path := range p.own {
		if status, body := d.do(http.MethodGet, path, "", nil); status != http.StatusNotFound {
			t.Errorf("GET %s of a hidden person: %d %s", path, status, body)
		}
	}
	shown := parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/contacts/"+p.contact, nil))
	if shown["deleted"] != true {
		t.Errorf("a hidden contact is shown without deleted: %v", shown)
	}
	for path, want := range map[string]int{
		"/api/v2/contacts": 1 + 0, "/api/v2/contacts?state=deleted": 1, "/api/v2/contacts?email=" + p.email: 0,
		"/api/v2/tickets?requester_id=" + p.contact: 0, "/api/v2/tickets?email=" + p.email: 0, "/api/v2/tickets?per_page=100": 2,
	} {
		list := parse[[]object](t, d.must(http.StatusOK, http.MethodGet, path, nil))
		if len(list) != want && path != "/api/v2/contacts" {
			t.Errorf("GET %s of a hidden person: %d hits, want %d: %v", path, len(list), want, list)
		}
		for _, o := range list {
			if path == "/api/v2/contacts" && id(o) == p.contact {
				t.Error("a hidden contact is in the list")
			}
		}
	}
	d.must(http.StatusMethodNotAllowed, http.MethodPut, "/api/v2/contacts/"+p.contact, object{"name": "x"})
	d.must(http.StatusMethodNotAllowed, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
	d.must(http.StatusConflict, http.MethodPost, "/api/v2/contacts", object{"name": "x", "email": p.email})

	d.must(http.StatusNoContent, http.MethodPut, "/api/v2/contacts/"+p.contact+"/restore", nil)
	same(t, "restored person", before, d.snapshot(p))
	same(t, "bystander", bystander, d.snapshot(other))
	d.must(http.StatusNotFound, http.MethodPut, "/api/v2/contacts/"+p.contact+"/restore", nil)
}

func TestMailOfAHiddenPersonIsSpam(t *testing.T) {
	d := newDesk(t)
	p := d.populate("anna", 1)
	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
	ticket := d.create("/api/v2/tickets", object{"email": p.email, "subject": "late", "description": "late"})
	if ticket["spam"] != true {
		t.Errorf("mail of a hidden person is not spam: %v", ticket)
	}
	d.must(http.StatusNotFound, http.MethodGet, "/api/v2/tickets/"+id(ticket), nil)
}

func TestExportHoldsEverythingAndErasureTakesItAll(t *testing.T) {
	d := newDesk(t)
	p, other := d.populate("anna", 3), d.populate("ben", 2)
	bystander := d.snapshot(other)

	request, _ := d.request("export", p.contact)
	export := parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/exports/"+fmt.Sprint(request["export_id"]), nil))
	archive := d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/exports/"+fmt.Sprint(request["export_id"])+"/download", nil)
	sum := sha256.Sum256(archive)
	if export["sha256"] != hex.EncodeToString(sum[:]) || fmt.Sprint(export["size"]) != fmt.Sprint(len(archive)) {
		t.Errorf("export says %v %v of an archive of %d bytes", export["sha256"], export["size"], len(archive))
	}
	checkArchive(t, p, other, unzip(t, archive))

	_, saga := d.request("erasure", p.contact)
	d.gone(p)
	same(t, "bystander", bystander, d.snapshot(other))
	d.must(http.StatusNotFound, http.MethodGet, "/api/v2/privacy/exports/"+fmt.Sprint(request["export_id"]), nil)
	d.must(http.StatusNotFound, http.MethodGet, "/api/v2/privacy/exports/"+fmt.Sprint(request["export_id"])+"/download", nil)
	checkOutcomes(t, saga, unzip(t, archive))

	// The address is free again, for somebody new who gets nothing of the old.
	c := d.create("/api/v2/contacts", object{"name": "new", "email": p.email})
	if id(c) == p.contact {
		t.Error("an erased person's id came back")
	}
	if list := parse[[]object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets?email="+p.email, nil)); len(list) != 0 {
		t.Errorf("a new person has the old one's tickets: %v", list)
	}
}

// gone checks that no answer shows the person any more.
func (d *desk) gone(p *person) {
	d.t.Helper()
	for _, path := range append([]string{"/api/v2/contacts/" + p.contact}, p.own...) {
		if status, body := d.do(http.MethodGet, path, "", nil); status != http.StatusNotFound {
			d.t.Errorf("GET %s of an erased person: %d %s", path, status, body)
		}
	}
	for _, path := range []string{
		"/api/v2/contacts?per_page=100", "/api/v2/contacts?state=deleted", "/api/v2/contacts?email=" + p.email,
		"/api/v2/tickets?per_page=100", "/api/v2/tickets?requester_id=" + p.contact, "/api/v2/tickets?email=" + p.email,
		"/api/v2/tickets?filter=spam", "/api/v2/tickets?filter=deleted", "/api/v2/calls", "/api/v2/chats",
		"/api/v2/surveys/satisfaction_ratings?per_page=100", "/api/v2/discussions/forums/" + d.forum() + "/topics?per_page=100",
		"/api/v2/privacy/sagas?per_page=100", "/api/v2/privacy/requests?per_page=100",
	} {
		body := string(d.must(http.StatusOK, http.MethodGet, path, nil))
		for _, c := range p.canaries {
			if strings.Contains(body, c) {
				d.t.Errorf("GET %s still shows %s", path, c)
			}
		}
	}
	d.must(http.StatusNotFound, http.MethodPut, "/api/v2/contacts/"+p.contact, object{"name": "x"})
	d.must(http.StatusNotFound, http.MethodPut, "/api/v2/contacts/"+p.contact+"/restore", nil)
	d.must(http.StatusNotFound, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
	d.must(http.StatusNotFound, http.MethodDelete, "/api/v2/contacts/"+p.contact+"/hard_delete?force=true", nil)
}

// checkArchive looks for every canary of the person in the package, and for none of anybody else.
func checkArchive(t *testing.T, p, other *person, entries map[string]string) {
	t.Helper()
	all, forms := "", map[string]string{"json": "", "csv": "", "html": ""}
	for name, content := range entries {
		all += name + content
		forms[name[strings.LastIndex(name, ".")+1:]] += content
	}
	for _, c := range p.canaries {
		if !strings.Contains(all, c) {
			t.Errorf("the archive lacks %s", c)
		}
	}
	for _, c := range other.canaries {
		if strings.Contains(all, c) {
			t.Errorf("the archive holds somebody else's %s", c)
		}
	}
	for _, f := range []string{"json", "csv", "html"} {
		for _, c := range []string{"canaryannasubject0", "canaryannareply", "canaryannachat", "canaryannatopic", "canaryannacomment", "canaryannafeedback", "canaryannacallnotes", "canaryannahuddle", "canaryannaname"} {
			if !strings.Contains(forms[f], c) {
				t.Errorf("the %s form lacks %s", f, c)
			}
		}
	}
	manifest := parse[struct {
		Files    []struct{ Path, SHA256 string }
		Withheld []object
	}](t, []byte(entries["manifest.json"]))
	if len(manifest.Files) != len(entries)-1 || len(manifest.Withheld) == 0 {
		t.Errorf("the manifest names %d of %d files and %d withholdings", len(manifest.Files), len(entries)-1, len(manifest.Withheld))
	}
	for _, f := range manifest.Files {
		sum := sha256.Sum256([]byte(entries[f.Path]))
		if f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("the manifest's hash of %s is wrong", f.Path)
		}
	}
}

// checkOutcomes compares what was exported with what was erased, resource by resource.
func checkOutcomes(t *testing.T, saga object, entries map[string]string) {
	t.Helper()
	count := map[string]int64{}
	for _, o := range saga["outcomes"].([]any) {
		outcome := o.(object)["outcome"].(object)
		if outcome["kind"] == "OUTCOME_KIND_ERASED" {
			n, err := outcome["count"].(json.Number).Int64()
			if err != nil {
				t.Fatal(err)
			}
			count[fmt.Sprint(outcome["resource"])] += n
		}
	}
	erased := map[string]string{}
	for name, n := range count {
		erased[name] = fmt.Sprint(n)
	}
	manifest := parse[struct {
		Resources []struct {
			Name    string
			Records int64
		}
	}](t, []byte(entries["manifest.json"]))
	for _, r := range manifest.Resources {
		want := fmt.Sprint(r.Records)
		if r.Records == 0 || r.Name == "exports" {
			continue // the export itself was collecting when it was counted
		}
		if erased[r.Name] != want {
			t.Errorf("%s: %s exported, %s erased", r.Name, want, erased[r.Name])
		}
	}
	for _, name := range []string{"contacts", "tickets", "conversations", "attachments", "threads", "thread_messages", "calls", "chats", "topics", "comments", "follows", "satisfaction_ratings"} {
		if erased[name] == "" || erased[name] == "0" {
			t.Errorf("no erasure of %s was reported: %v", name, erased)
		}
	}
}

func TestHardDelete(t *testing.T) {
	d := newDesk(t)
	p := d.populate("anna", 2)
	status, body := d.do(http.MethodDelete, "/api/v2/contacts/"+p.contact+"/hard_delete", "", nil)
	if status != http.StatusBadRequest || len(body) != 0 {
		t.Errorf("hard delete of an active contact: %d %q, want 400 without a body", status, body)
	}
	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+p.contact+"/hard_delete", nil)
	d.gone(p)
	q := d.populate("carl", 1)
	d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+q.contact+"/hard_delete?force=True", nil)
	d.gone(q)
	d.must(http.StatusNotFound, http.MethodDelete, "/api/v2/contacts/424242/hard_delete?force=true", nil)
}

// Hiding and restoring write the same number of times whatever the person has.
func TestHidingCostsByThePersonNotByTheirTickets(t *testing.T) {
	d := newDesk(t)
	cost := func(p *person) (hide, restore int64) {
		w := d.writes()
		d.must(http.StatusNoContent, http.MethodDelete, "/api/v2/contacts/"+p.contact, nil)
		hide = d.writes() - w
		d.must(http.StatusNoContent, http.MethodPut, "/api/v2/contacts/"+p.contact+"/restore", nil)
		return hide, d.writes() - w - hide
	}
	hideFew, restoreFew := cost(d.populate("few", 2))
	many := 200
	if n, err := strconv.Atoi(os.Getenv("LETHE_PROVE_TICKETS")); err == nil {
		many = n
	}
	hideMany, restoreMany := cost(d.populate("many", many))
	if hideFew != hideMany || restoreFew != restoreMany {
		t.Errorf("2 tickets: %d writes to hide, %d to restore; %d tickets: %d and %d", hideFew, restoreFew, many, hideMany, restoreMany)
	}
	t.Logf("hide %d, restore %d store writes, with 2 and with %d tickets", hideFew, restoreFew, many)
}

func (d *desk) writes() int64 {
	return d.suite.Contacts.Stats().Writes + d.suite.Tickets.Stats().Writes + d.suite.Privacy.Stats().Writes +
		d.suite.Forums.Stats().Writes + d.suite.Ratings.Stats().Writes
}
