package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Writers that go on while a person is erased land wholly before it or are
// refused: afterwards no document of the person is left in any store.
func TestWritersRacingAnErasure(t *testing.T) {
	d := newDesk(t)
	p := d.populate("anna", 4)
	ticket := parse[[]object](t, d.must(http.StatusOK, http.MethodGet, "/api/v2/tickets?requester_id="+p.contact, nil))[0]
	number := id(ticket)
	if n := d.owned(p.contact); n < 10 {
		t.Fatalf("the control: only %d documents of the person before the erasure", n)
	}
	d = open(t, d.dir)
	calls := []struct {
		path string
		body object
	}{
		{"/api/v2/tickets", object{"requester_id": json.Number(p.contact), "subject": "late", "description": "late"}},
		{"/api/v2/tickets", object{"email": p.email, "subject": "late", "description": "late"}},
		{"/api/v2/tickets/" + number + "/reply", object{"body": "late"}},
		{"/api/v2/tickets/" + number + "/notes", object{"body": "late"}},
		{"/api/v2/calls", object{"ticket_id": json.Number(number), "notes": "late"}},
		{"/api/v2/chats", object{"ticket_id": json.Number(number), "messages": []object{{"from": "contact", "text": "late"}}}},
		{"/api/v2/tickets/" + number + "/satisfaction_ratings", object{"ratings": object{"default_question": 100}, "feedback": "late"}},
		{"/api/v2/discussions/forums/" + d.forum() + "/topics", object{"title": "late", "message": "late", "user_id": json.Number(p.contact)}},
		{"/api/v2/discussions/topics/" + p.topic + "/comments", object{"body": "late", "user_id": json.Number(p.contact)}},
		{"/api/v2/collaboration/threads", object{"ticket_id": json.Number(number), "title": "late"}},
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	written := make([]int, len(calls))
	for i, c := range calls {
		body := marshal(t, c.body)
		wg.Go(func() {
			for last := false; !last; {
				select {
				case <-stop:
					last = true // once more after the erasure has ended
				default:
				}
				if status, _ := d.do(http.MethodPost, c.path, "application/json", body); status == http.StatusCreated {
					written[i]++
				} else if status >= http.StatusInternalServerError {
					t.Errorf("POST %s answers %d during an erasure", c.path, status)
					return
				}
			}
		})
	}
	_, saga := d.request("erasure", p.contact)
	close(stop)
	wg.Wait()
	t.Logf("written during the erasure, by call: %v; outcomes %v", written, len(saga["outcomes"].([]any)))
	for _, path := range p.own {
		if status, _ := d.do(http.MethodGet, path, "", nil); status != http.StatusNotFound {
			t.Errorf("GET %s of an erased person: %d", path, status)
		}
	}
	if n := d.owned(p.contact); n != 0 {
		t.Errorf("%d documents of the erased person are left", n)
	}
}

// owned stops the suite and counts the documents a person owns, in all tables of all stores.
func (d *desk) owned(contact string) int64 {
	d.t.Helper()
	d.stop()
	subject, err := strconv.ParseInt(contact, 10, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	var total int64
	for _, service := range programs[:5] {
		conn, err := sqlite.OpenConn(filepath.Join(d.dir, service, service+".db"), sqlite.OpenReadOnly)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, table := range ownerTables(d.t, conn) {
			err := sqlitex.Execute(conn, fmt.Sprintf("SELECT count(*) FROM %q WHERE owner = ?", table), &sqlitex.ExecOptions{
				Args:       []any{subject},
				ResultFunc: func(s *sqlite.Stmt) error { total += s.ColumnInt64(0); return nil },
			})
			if err != nil {
				d.t.Fatal(err)
			}
		}
		if err := conn.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	return total
}

func ownerTables(t *testing.T, conn *sqlite.Conn) []string {
	t.Helper()
	var tables []string
	err := sqlitex.Execute(conn, "SELECT DISTINCT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'owner'", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { tables = append(tables, s.ColumnText(0)); return nil },
	})
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables with owners: %v %v", tables, err)
	}
	return tables
}
