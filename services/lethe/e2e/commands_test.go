package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/lethe/internal/cli"
)

// lethe runs one command against the desk and returns its exit code and standard output.
func (d *desk) lethe(args ...string) (int, string) {
	d.t.Helper()
	var out, errs bytes.Buffer
	d.t.Setenv("LETHE_URL", d.base)
	d.t.Setenv("LETHE_KEY", adminKey)
	code := cli.Main(d.t.Context(), args, cli.Env{Stdout: &out, Stderr: &errs, Version: "test"})
	if code != 0 {
		return code, out.String() + errs.String()
	}
	return code, out.String()
}

// does wants a command to exit with a code and to say something.
func (d *desk) does(code int, says string, args ...string) string {
	d.t.Helper()
	got, out := d.lethe(args...)
	if got != code || !strings.Contains(out, says) {
		d.t.Errorf("lethe %s: exit %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, says, out)
	}
	return out
}

// The life of a request from the command line.
func TestRequestCommands(t *testing.T) {
	d := newDesk(t)
	anna := d.populate("anna", 1)
	raised := parse[object](t, []byte(d.does(0, `"state": "received"`, "--json", "request", "raise", "--kind", "erasure", "--email", anna.email)))
	number := id(raised)
	d.does(0, "satisfaction_ratings", "request", "show", number)
	d.does(0, "received", "request", "list", "--contact", anna.contact)
	d.does(2, "name the person", "request", "raise", "--kind", "erasure")
	d.does(2, "not both", "request", "raise", "--kind", "erasure", "--ticket", "1", "--contact", anna.contact)
	d.does(3, "there is no request", "request", "show", "4711")
	d.does(1, "ground", "request", "refuse", number, "--ground", "because")
	d.does(0, "ground: unfounded", "request", "refuse", number, "--ground", "unfounded")
	export := parse[object](t, []byte(d.does(0, `"state": "received"`, "--json", "request", "raise", "--kind", "export", "--contact", anna.contact)))
	d.does(0, "completed", "request", "approve", id(export))
	erasure := parse[object](t, []byte(d.does(0, `"state": "received"`, "--json", "request", "raise", "--kind", "erasure", "--contact", anna.contact)))
	d.does(0, "saga", "request", "approve", id(erasure), "--no-wait")
	d.await(fmt.Sprint(parse[object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/requests/"+id(erasure), nil))["saga_id"]))
	d.gone(anna)
	hit := d.populate("ben", 1)
	ticket := id(parse[[]object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets?requester_id="+hit.contact, nil))[0])
	d.does(0, "erase_ticket, completed", "erase", "--ticket", ticket, "--yes")
	agent := d.hire("greta")
	d.does(0, "erase_agent, completed", "erase", "--agent", agent.id, "--yes")
}

// A further account has an administrator of its own and sees nothing of the first.
func TestAccountCommand(t *testing.T) {
	d := newDesk(t)
	d.populate("anna", 1)
	file := filepath.Join(t.TempDir(), "key")
	args := []string{"account", "create", "--name", "Second", "--admin-email", "boss@second.example", "--admin-name", "Boss", "--key-out", file}
	out := d.does(0, "account 2", args...)
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(out, strings.TrimSpace(string(key))) {
		t.Errorf("the key is told or open to all: %v %v", info, err)
	}
	d.does(2, "exists already", args...)
	status, body := d.as(strings.TrimSpace(string(key)), http.MethodGet, "/api/v2/contacts", object{})
	if status != http.StatusOK || string(body) != "[]" {
		t.Errorf("the second account's contacts: %d %s", status, body)
	}
	status, _ = d.as(strings.TrimSpace(string(key)), http.MethodPost, "/api/v2/accounts", object{"name": "Third", "admin_email": "x@third.example"})
	if status != http.StatusForbidden {
		t.Errorf("the second account makes accounts: %d", status)
	}
}

// The data map is the same over REST and from the command line, names all five
// services and everything an erasure has outcomes for.
func TestDataMap(t *testing.T) {
	d := newDesk(t)
	type register struct {
		Rows []struct{ Service, Resource, OnErase string }
		// Flows are who hands what to whom.
		Flows []struct{ Source, Target string }
	}
	served := d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/data_map", nil)
	rest, local := parse[register](t, served), parse[register](t, []byte(d.does(0, "rows", "datamap")))
	if fmt.Sprint(rest) != fmt.Sprint(local) || len(rest.Flows) == 0 {
		t.Error("the map served is not the one printed")
	}
	resources, services := map[string]bool{}, map[string]bool{}
	for _, r := range rest.Rows {
		resources[r.Resource], services[r.Service] = true, true
	}
	for _, name := range programs[:5] {
		if !services[name] {
			t.Errorf("%s is not on the map", name)
		}
	}
	_, saga := d.request("erasure", d.populate("anna", 1).contact)
	for _, o := range saga["outcomes"].([]any) {
		if name := fmt.Sprint(o.(object)["outcome"].(object)["resource"]); !resources[name] {
			t.Errorf("%s is erased and not on the map", name)
		}
	}
	for _, format := range []string{"csv", "flows-csv", "svg"} {
		path := map[string]string{"csv": ".csv", "flows-csv": "_flows.csv", "svg": ".svg"}[format]
		file := filepath.Join(t.TempDir(), format)
		d.does(0, "", "datamap", "--format", format, "--out", file)
		printed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.must(http.StatusOK, http.MethodGet, "/api/v2/privacy/data_map"+path, nil); !bytes.Equal(got, printed) {
			t.Errorf("%s: served and printed differ", format)
		}
		if format == "svg" {
			for dec := xml.NewDecoder(bytes.NewReader(printed)); ; {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("the picture: %v", err)
				}
			}
		}
	}
	if !json.Valid(served) {
		t.Error("no JSON")
	}
}
