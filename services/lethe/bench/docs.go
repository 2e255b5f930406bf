package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore/sqlite"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// bareDoc is a contact or ticket as the bare handler and the measurements of
// sealing store it: as much clear and sealed as the services' own documents have.
type bareDoc struct {
	docstore.Meta
	Status      int64          `doc:"status" why:"bench" json:"status"`
	Active      bool           `doc:"active" why:"bench" json:"active"`
	Name        string         `doc:"name,seal" why:"bench" json:"name"`
	Email       string         `doc:"email,seal" why:"bench" json:"email"`
	Phone       string         `doc:"phone,seal" why:"bench" json:"phone"`
	Mobile      string         `doc:"mobile,seal" why:"bench" json:"mobile"`
	Address     string         `doc:"address,seal" why:"bench" json:"address"`
	JobTitle    string         `doc:"job_title,seal" why:"bench" json:"job_title"`
	Description string         `doc:"description,seal" why:"bench" json:"description"`
	Tags        []string       `doc:"tags,seal" why:"bench" json:"tags"`
	Custom      map[string]any `doc:"custom_fields,seal" why:"bench" json:"custom_fields"`
	Body        string         `doc:"body,seal,body" why:"bench" json:"-"`
}

// clearDoc is the same with nothing sealed.
type clearDoc struct {
	docstore.Meta
	Status      int64          `doc:"status" why:"bench"`
	Active      bool           `doc:"active" why:"bench"`
	Name        string         `doc:"name" why:"bench"`
	Email       string         `doc:"email" why:"bench"`
	Phone       string         `doc:"phone" why:"bench"`
	Mobile      string         `doc:"mobile" why:"bench"`
	Address     string         `doc:"address" why:"bench"`
	JobTitle    string         `doc:"job_title" why:"bench"`
	Description string         `doc:"description" why:"bench"`
	Tags        []string       `doc:"tags" why:"bench"`
	Custom      map[string]any `doc:"custom_fields" why:"bench"`
}

// values fills a document of an owner.
func values(id, owner int64) *bareDoc {
	now := time.Now().UTC()
	return &bareDoc{
		Meta: docstore.Meta{Account: 1, ID: id, Owner: owner, CreatedAt: now, UpdatedAt: now}, Status: 2, Active: true,
		Name: fmt.Sprint("Ada Example ", owner), Email: fmt.Sprintf("ada.%d@example.org", owner), Phone: "+12025550100", Mobile: "+13125550100",
		Address: "12 Long Street, Somewhere", JobTitle: "Buyer", Description: "Customer since 2019.", Tags: []string{"private"},
		Custom: map[string]any{"cf_product": "kettle", "cf_ordered_by": "Ada Example"}, Body: strings.Repeat("The kettle does not boil. ", 20),
	}
}

// unsealed is the same document without a body, all in the clear.
func (d *bareDoc) unsealed() *clearDoc {
	return &clearDoc{
		Meta: docstore.Meta{Account: 1, ID: d.ID, Owner: d.Owner, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}, Status: d.Status, Active: d.Active,
		Name: d.Name, Email: d.Email, Phone: d.Phone, Mobile: d.Mobile, Address: d.Address, JobTitle: d.JobTitle,
		Description: d.Description, Tags: d.Tags, Custom: d.Custom,
	}
}

// spec is one index beside those every collection has.
func spec(name string) docstore.Spec {
	return docstore.Spec{Name: name, Indexes: []docstore.Index{{Name: "status", Fields: []string{"status"}}}}
}

// store is a store of the bench with its keys.
type store struct {
	db     *docstore.DB
	keys   *keyring.File
	sealed *docstore.Collection[bareDoc]
	clear  *docstore.Collection[clearDoc]
}

// openStore opens or makes the store in a folder.
func openStore(ctx context.Context, dir string) (*store, error) {
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	if err != nil {
		return nil, err
	}
	keys, err := keyring.Open(ctx, keyring.Options{Dir: dir, Service: "bench", Master: master})
	if err != nil {
		return nil, err
	}
	be, err := sqlite.Open(ctx, filepath.Join(dir, "bench.db"), sqlite.Options{})
	if err != nil {
		return nil, err
	}
	s := &store{keys: keys}
	if s.db, err = docstore.New(ctx, be, docstore.Options{Service: "bench", Keys: keys}); err != nil {
		return nil, err
	}
	if s.sealed, err = docstore.Bind[bareDoc](ctx, s.db, spec("sealed")); err != nil {
		return nil, err
	}
	s.clear, err = docstore.Bind[clearDoc](ctx, s.db, spec("clear"))
	return s, err
}

func (s *store) close() {
	_ = s.db.Close()
	_ = s.keys.Close()
}
