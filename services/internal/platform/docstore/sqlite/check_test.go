package sqlite_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sq "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// card has all that a document can have beside itself: a list, a blind index, mentions in both parts.
type card struct {
	docstore.Meta
	Labels []string `doc:"labels" why:"test"`
	Email  string   `doc:"email,seal" why:"test"`
	Note   string   `doc:"note,seal" why:"test"`
	Body   string   `doc:"body,seal,body" why:"test"`
}

var cardSpec = docstore.Spec{
	Name: "cards", Indexes: []docstore.Index{{Name: "label", Fields: []string{"labels"}}},
	Blind: []docstore.Blind{{Name: "email", Field: "email"}}, Mentions: []string{"note", "body"},
}

// The people of the folder that is checked: 1 to 3 live, 2 is hidden, 4 is a tombstone, 5 has been
// fenced before anything was stored, of 6 an erasure has begun.
const (
	hidden    = 2
	tombstone = 4
	unmet     = 5
	erasing   = 6
)

// checkedFolder makes a folder with everything in it that is right.
func checkedFolder(t *testing.T) string {
	w := newWorld(t, sqlite.Options{})
	cards, err := docstore.Bind[card](t.Context(), w.db, cardSpec)
	check(t, err)
	for id := int64(1); id <= 4; id++ {
		email := fmt.Sprintf("p%d@example.org", id)
		check(t, w.db.Claim(t.Context(), 1, "email", email, id))
		check(t, cards.Insert(t.Context(), ring.Write, &card{
			Meta: docstore.Meta{Account: 1, ID: 10 + id, Owner: id}, Labels: []string{"a", fmt.Sprint("l", id)},
			Email: email, Note: "write to friend@example.org", Body: "or to +49 30 1234567",
		}))
	}
	check(t, w.tickets.Insert(t.Context(), ring.Write, &ticket{Meta: docstore.Meta{Account: 1, ID: 20}, Key: "k", Subject: "of the account"}))
	_, err = w.db.Next(t.Context(), 1, "card")
	check(t, err)
	who := func(id int64) ring.Subject { return ring.Subject{Account: 1, ID: id} }
	fence := func(id int64, m ring.Mode, saga string, stage int32) {
		check(t, w.db.Fence(t.Context(), who(id), ring.Fence{Mode: m, Saga: saga, Token: ring.Token{Sequence: 1, Stage: stage}}))
	}
	fence(hidden, ring.Hidden, "h", 1)
	fence(erasing, ring.Erasing, "e", 1)
	for _, id := range []int64{tombstone, unmet} {
		fence(id, ring.Erasing, "e", 1)
		check(t, w.db.Destroy(t.Context(), who(id), "e", ring.Token{Sequence: 1, Stage: 2}))
		_, err = w.db.UnclaimAll(t.Context(), who(id))
		check(t, err)
		fence(id, ring.Erased, "e", 3)
	}
	check(t, cards.Delete(t.Context(), ring.Sweep, 1, 10+tombstone, 0))
	w.close()
	return w.dir
}

// lookThrough checks a folder and returns the findings as "flaw collection id slot", and an error.
func lookThrough(t *testing.T, dir string) (found []string, err error) {
	t.Helper()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master"))
	check(t, err)
	keys, _, err := keyring.OpenToCheck(t.Context(), keyring.Options{Dir: dir, Service: "t", Master: master})
	check(t, err)
	defer keys.Close()
	b, err := sqlite.OpenToCheck(t.Context(), filepath.Join(dir, "t.db"))
	if err != nil {
		return nil, err
	}
	db, err := docstore.New(t.Context(), b, docstore.Options{Service: "t", Keys: keys})
	check(t, err)
	defer db.Close()
	if _, err := docstore.Bind[ticket](t.Context(), db, ticketSpec); err != nil {
		return nil, err
	}
	cards, err := docstore.Bind[card](t.Context(), db, cardSpec)
	if err != nil {
		return nil, err
	}
	if err := cards.Insert(t.Context(), ring.Write, &card{Meta: docstore.Meta{Account: 1, ID: 99}}); err == nil {
		t.Errorf("a write to a store that is checked: %v", err)
	}
	err = db.Check(t.Context(), docstore.Watch{Found: func(f docstore.Finding) {
		text := string(f.Flaw)
		if f.Warning {
			text += "?"
		}
		if f.Collection != "" {
			text += " " + f.Collection
		}
		text += fmt.Sprint(" ", f.ID)
		if f.Slot != docstore.NoSlot {
			text += " slot"
		}
		if !slices.Contains(found, text) {
			found = append(found, text)
		}
	}})
	slices.Sort(found)
	return found, err
}

// copied copies a folder's files.
func copied(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	check(t, os.CopyFS(to, os.DirFS(from)))
	check(t, os.Chmod(filepath.Join(to, "master"), 0o600))
	return to
}

// script runs SQL on a folder's database.
func script(t *testing.T, dir, sql string) {
	t.Helper()
	c, err := sq.OpenConn(filepath.Join(dir, "t.db"), sq.OpenReadWrite)
	check(t, err)
	check(t, sqlitex.ExecuteScript(c, sql, nil))
	check(t, c.Close())
}

// bend changes bytes of a file.
func bend(t *testing.T, dir, name string, f func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, f(b), 0o600))
}

// keyBytes is where the slot that SQL asks for lies in the key file.
func keyBytes(t *testing.T, dir, sql string) (from, to int) {
	t.Helper()
	c, err := sq.OpenConn(filepath.Join(dir, "t.db"), sq.OpenReadOnly)
	check(t, err)
	defer c.Close()
	slot, err := sqlitex.ResultInt(c.Prep(sql))
	check(t, err)
	from = 4096 + (slot/31*32+1+slot%31)*128
	return from, from + 128
}

// TestCheck plants one fault after another in a folder that is right, and each
// is found, with what follows from it and nothing else.
func TestCheck(t *testing.T) {
	whole := checkedFolder(t)
	sqlOf := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { script(t, dir, text) }
	}
	slotOf := func(person int64, files []string, f func([]byte)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			from, to := keyBytes(t, dir, fmt.Sprintf("SELECT slot FROM ring WHERE account=1 AND subject=%d", person))
			for _, name := range files {
				bend(t, dir, name, func(b []byte) []byte { f(b[from:to]); return b })
			}
		}
	}
	both := []string{"t.keys", "t.keys.mirror"}
	zero := func(b []byte) { clear(b) }
	for _, c := range []struct {
		name  string
		plant func(*testing.T, string)
		want  []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"rows of an index are gone", sqlOf("PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage=(SELECT rootpage FROM sqlite_master WHERE name='i_cards__owner') WHERE name='i_cards__id'"), []string{"store_damaged 0"}},
		{"a page is overwritten", func(t *testing.T, dir string) {
			bend(t, dir, "t.db", func(b []byte) []byte { copy(b[4096:], bytes.Repeat([]byte{0xee}, 4096)); return b })
		}, []string{"store_damaged 0"}},

		{"a key is gone", slotOf(1, both, zero), []string{"key_missing 1 slot"}},
		{"a key is gone from the mirror", slotOf(1, both[1:], zero), []string{"key_mirror_differs 0 slot"}},
		{"a slot is torn", slotOf(1, both[:1], func(b []byte) { b[50] ^= 1 }), []string{"key_mirror_differs 0 slot"}},
		{"a slot is torn in both", slotOf(1, both, func(b []byte) { b[50] ^= 1 }), []string{"key_unreadable 1 slot"}},
		{"an erasure was stopped", func(t *testing.T, dir string) {
			slotOf(1, both, zero)(t, dir)
			script(t, dir, "UPDATE ring SET modes=4, fences=(SELECT fences FROM ring WHERE subject=6) WHERE subject=1")
		}, []string{"destruction_unfinished? 1 slot"}},
		{"a destroyed key is there", sqlOf("UPDATE slots SET state=0, kid=NULL WHERE idx=(SELECT max(idx) FROM slots WHERE state=2)"), []string{"key_survives 0 slot"}},
		{"a destroyed key is in the mirror", func(t *testing.T, dir string) {
			from, to := keyBytes(t, dir, "SELECT max(idx) FROM slots WHERE state=2")
			bend(t, dir, "t.keys", func(b []byte) []byte { clear(b[from:to]); return b })
			script(t, dir, "UPDATE slots SET state=0, kid=NULL WHERE idx=(SELECT max(idx) FROM slots WHERE state=2)")
		}, []string{"key_mirror_differs 0 slot", "key_survives 0 slot"}},
		{"a free key is gone", sqlOf("UPDATE slots SET kid=randomblob(16) WHERE idx=(SELECT max(idx) FROM slots WHERE state=2)"), []string{"key_missing 0 slot", "key_survives 0 slot"}},
		{"a tombstone has a key", sqlOf("UPDATE ring SET modes=modes&127, slot=NULL WHERE subject=4"), []string{"tombstone_with_key 4"}},
		{"a living key is of a tombstone", sqlOf("UPDATE ring SET modes=12, fences=(SELECT fences FROM ring WHERE subject=4) WHERE subject=3"),
			[]string{"claim_of_tombstone? 3", "document_of_tombstone cards 13", "tombstone_with_key 3"}},
		{"two have a slot", sqlOf("UPDATE ring SET slot=(SELECT slot FROM ring WHERE subject=3), kid=(SELECT kid FROM ring WHERE subject=3) WHERE subject=1"),
			[]string{"sealed_with_other_key cards 11", "slot_lost 0 slot", "slot_shared 3 slot"}},
		{"a fence is not in the modes", sqlOf("UPDATE ring SET modes=0 WHERE subject=2"), []string{"fences_wrong 2"}},
		{"a slot that is taken is free", sqlOf("UPDATE slots SET state=2 WHERE idx=(SELECT slot FROM ring WHERE subject=1)"), []string{"slot_free_and_taken 1 slot"}},
		{"a slot is of another key", sqlOf("UPDATE slots SET account=2 WHERE idx=(SELECT slot FROM ring WHERE subject=1)"), []string{"slot_lost 1 slot"}},
		{"a slot is not known", sqlOf("DELETE FROM slots WHERE idx=(SELECT slot FROM ring WHERE subject=1)"), []string{"key_survives 0 slot", "slot_lost 1 slot"}},

		{"an owner is not known", sqlOf("DELETE FROM ring WHERE subject=1"), []string{"claim_unused? 1", "owner_unknown cards 11", "slot_lost 0 slot"}},
		{"a document of a tombstone", sqlOf("UPDATE d_cards SET owner=4 WHERE id=11"), []string{"document_of_tombstone cards 11"}},
		{"a sweep was stopped", sqlOf("UPDATE ring SET modes=132, slot=NULL, fences=(SELECT fences FROM ring WHERE subject=6) WHERE subject=1; UPDATE slots SET state=0"),
			[]string{"claim_of_tombstone? 1", "key_survives 0 slot", "slot_free_and_taken 0 slot", "slot_free_and_taken 2 slot", "slot_free_and_taken 3 slot", "sweep_unfinished? cards 11"}},
		{"a document of somebody else", sqlOf("UPDATE d_cards SET owner=3 WHERE id=11"), []string{"sealed_with_other_key cards 11"}},
		{"a part is exchanged", sqlOf("UPDATE d_cards SET sealed=(SELECT sealed FROM d_cards WHERE id=12) WHERE id=11"), []string{"part_does_not_open cards 11"}},
		{"a body is cut", sqlOf("UPDATE d_cards SET body=substr(body, 1, 20) WHERE id=11"), []string{"part_does_not_open cards 11"}},
		{"a clear part is broken", sqlOf("UPDATE d_cards SET clear=x'ff' WHERE id=11"), []string{"part_cannot_be_decoded cards 11"}},
		{"a revision is none", sqlOf("UPDATE d_cards SET rev=0 WHERE id=11"), []string{"revision_wrong cards 11"}},
		{"a hash is gone", sqlOf("DELETE FROM b_cards__email WHERE id=11"), []string{"index_wrong cards 11"}},
		{"a hash is another", sqlOf("UPDATE b_cards__mention_body SET tag=randomblob(16) WHERE id=11"), []string{"index_wrong cards 11"}},
		{"a hash is of nobody", sqlOf("INSERT INTO b_cards__email VALUES (1, randomblob(16), 14, 77)"), []string{"index_left_behind cards 14"}},
		{"a label is gone", sqlOf("DELETE FROM m_cards__label WHERE id=11 AND v='a'"), []string{"index_wrong cards 11"}},
		{"a label is of nobody", sqlOf("INSERT INTO m_cards__label (doc, account, id, v) VALUES (77, 1, 14, 'x')"), []string{"index_left_behind cards 14"}},
		{"an index is being built", sqlOf("DELETE FROM b_cards__email; UPDATE blinds SET done=0 WHERE name='email'"), []string{"index_unbuilt? cards 0"}},
		{"a claim of a tombstone", sqlOf("UPDATE claims SET subject=4 WHERE subject=1"), []string{"claim_of_tombstone? 4"}},
		{"a claim of nobody", sqlOf("UPDATE claims SET subject=70 WHERE subject=1"), []string{"claim_unused? 70"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copied(t, whole)
			c.plant(t, dir)
			before := fileSums(t, dir)
			found, err := lookThrough(t, dir)
			if err != nil && !errors.Is(err, docstore.ErrDamaged) {
				t.Fatal(err)
			}
			if err != nil {
				found = append(found, "store_damaged 0")
			}
			if !slices.Equal(found, c.want) && !(slices.Contains(c.want, "store_damaged 0") && slices.Contains(found, "store_damaged 0")) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(c.want, "\n"))
			}
			if after := fileSums(t, dir); !slices.Equal(before, after) {
				t.Errorf("the check has changed the folder:\n%q\n%q", before, after)
			}
		})
	}
}

// fileSums are names and contents of a folder, but for what marks a lock or an index of the journal.
func fileSums(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".lock") || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		check(t, err)
		all = append(all, e.Name()+string(b))
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all
}

// TestCheckAfterKill looks at a folder whose program was killed: what is in the journal counts, and stays there.
func TestCheckAfterKill(t *testing.T) {
	w := newWorld(t, sqlite.Options{})
	check(t, w.tickets.Insert(t.Context(), ring.Write, &ticket{Meta: docstore.Meta{Account: 1, ID: 20, Owner: 3}, Key: "k", Subject: "s"}))
	_, err := docstore.Bind[card](t.Context(), w.db, cardSpec)
	check(t, err)
	dir := copied(t, w.dir)
	if info, err := os.Stat(filepath.Join(dir, "t.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("the folder has no journal: %v", err)
	}
	before := fileSums(t, dir)
	if found, err := lookThrough(t, dir); err != nil || len(found) != 0 {
		t.Errorf("%q, %v", found, err)
	}
	if !slices.Equal(before, fileSums(t, dir)) {
		t.Error("the check has changed the folder")
	}
	script(t, dir, "UPDATE d_tickets SET sealed=x'00' WHERE id=20")
	if found, err := lookThrough(t, dir); err != nil || !slices.Equal(found, []string{"part_does_not_open tickets 20"}) {
		t.Errorf("%q, %v", found, err)
	}
}

// TestCheckRefusals are folders that cannot be checked, each with a sentence.
func TestCheckRefusals(t *testing.T) {
	whole := checkedFolder(t)
	for _, c := range []struct {
		name, say string
		plant     func(t *testing.T, dir string)
	}{
		{"newer", "newer version", func(t *testing.T, dir string) { script(t, dir, "PRAGMA user_version=99") }},
		{"older", "older version", func(t *testing.T, dir string) { script(t, dir, "PRAGMA user_version=1") }},
		{"without a collection", "older version", func(t *testing.T, dir string) { script(t, dir, "DROP TABLE d_tickets") }},
		{"without a field", "older version", func(t *testing.T, dir string) {
			script(t, dir, "DROP INDEX i_tickets__by_status; ALTER TABLE d_tickets DROP COLUMN f_status; CREATE INDEX i_tickets__by_status ON d_tickets(account)")
		}},
		{"another program's", "not a store", func(t *testing.T, dir string) { script(t, dir, "PRAGMA application_id=5") }},
		{"no database", "damaged", func(t *testing.T, dir string) {
			bend(t, dir, "t.db", func(b []byte) []byte { return bytes.Repeat([]byte("no"), len(b)/2) })
		}},
		{"no file", "no such file", func(t *testing.T, dir string) { check(t, os.Remove(filepath.Join(dir, "t.db"))) }},
	} {
		dir := copied(t, whole)
		c.plant(t, dir)
		if _, err := lookThrough(t, dir); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want a sentence with %q", c.name, err, c.say)
		}
	}
	b, err := sqlite.Open(t.Context(), filepath.Join(whole, "t.db"), sqlite.Options{})
	check(t, err)
	defer b.Close()
	if _, err := sqlite.OpenToCheck(t.Context(), filepath.Join(whole, "t.db")); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("in use: %v", err)
	}
}
