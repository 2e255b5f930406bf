package store

import (
	"reflect"
	"testing"
	"time"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/contacts/internal/person/persontest"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"pgregory.net/rapid"
)

func TestDocumentsHoldAllOfAPerson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := persontest.Draw(t)
		got := fromDoc(toDoc(p))
		got.Origin = nil
		if !reflect.DeepEqual(got, p) {
			t.Fatalf("got  %+v\nwant %+v", got, p)
		}
	})
}

func TestADocumentKeepsTheRevisionItWasReadWith(t *testing.T) {
	doc := toDoc(&person.Person{Account: 1, ID: 2, Details: person.Details{ViewAllTickets: new(bool)}})
	doc.Rev = 7
	p := fromDoc(doc)
	p.UpdatedAt = time.UnixMilli(5)
	next := toDoc(p)
	want := docstore.Meta{Account: 1, ID: 2, Owner: 2, Rev: 7, UpdatedAt: time.UnixMilli(5)}
	if !reflect.DeepEqual(next.Meta, want) {
		t.Fatalf("got %+v, want %+v", next.Meta, want)
	}
}
