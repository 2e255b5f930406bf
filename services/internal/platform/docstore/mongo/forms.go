package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// storedForm says of a blind index what it is made of and how far it is built.
type storedForm struct {
	ID    string `bson:"_id"`
	Table string `bson:"table"`
	Name  string `bson:"name"`
	Form  string `bson:"form"`
	Done  bool   `bson:"done"`
	// Begun says that Account and ID are behind which document building goes on.
	Begun   bool  `bson:"begun"`
	Account int64 `bson:"account"`
	Doc     int64 `bson:"doc"`
}

// noteForms records the blind indexes of a table. What is new or of another form
// while documents are there stays to be built; what is declared no longer is
// forgotten, and built anew if it comes back.
func (b *Backend) noteForms(ctx context.Context, t *table) error {
	old, err := b.storedForms(ctx, bson.D{{Key: "table", Value: t.Name}})
	if err != nil {
		return err
	}
	known := map[string]storedForm{}
	for _, f := range old {
		known[f.Name] = f
	}
	names, forms := t.Derived()
	for i, name := range names {
		if f, ok := known[name]; ok && f.Form == forms[i] {
			delete(known, name)
			continue
		}
		delete(known, name)
		empty, err := t.empty(ctx)
		if err != nil {
			return err
		}
		f := storedForm{ID: t.Name + ":" + name, Table: t.Name, Name: name, Form: forms[i], Done: empty}
		if _, err := b.tables.ReplaceOne(ctx, idIs(f.ID), f, options.Replace().SetUpsert(true)); err != nil {
			return failure(ctx, err)
		}
	}
	for _, f := range known {
		if _, err := b.tables.DeleteOne(ctx, idIs(f.ID)); err != nil {
			return failure(ctx, err)
		}
	}
	return nil
}

// empty reports whether there is no document.
func (t *table) empty(ctx context.Context) (bool, error) {
	err := t.c.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, driver.ErrNoDocuments) {
		return true, nil
	}
	return false, failure(ctx, err)
}

func (b *Backend) storedForms(ctx context.Context, filter bson.D) ([]storedForm, error) {
	cur, err := b.tables.Find(ctx, filter)
	if err != nil {
		return nil, failure(ctx, err)
	}
	var all []storedForm
	err = cur.All(ctx, &all)
	return all, failure(ctx, err)
}

// Unbuilt reads which blind indexes are not complete and how far the least of them is.
func (b *Backend) Unbuilt(ctx context.Context, dt *docstore.Table) (blinds []string, after *docstore.Position, err error) {
	all, err := b.storedForms(ctx, bson.D{{Key: "table", Value: dt.Name}, {Key: "done", Value: false}})
	for i, f := range all {
		blinds = append(blinds, f.Name)
		p := &docstore.Position{Account: f.Account, ID: f.Doc}
		switch {
		case !f.Begun:
			after = nil
		case i == 0 || after != nil && less(p, after):
			after = p
		}
		if !f.Begun {
			// from the beginning for all: the rest of the names still matters
			for _, g := range all[i+1:] {
				blinds = append(blinds, g.Name)
			}
			return blinds, nil, err
		}
	}
	return blinds, after, err
}

func less(a, b *docstore.Position) bool {
	return a.Account < b.Account || a.Account == b.Account && a.ID < b.ID
}

// Retag replaces tags of documents that still have their revision.
func (b *Backend) Retag(ctx context.Context, dt *docstore.Table, docs []docstore.Retag) (late []int, err error) {
	t := b.table(dt)
	for i := range docs {
		d := &docs[i]
		tags := t.tagFields(d.Tags, false)
		for j := 0; d.SetLists && j < len(t.Lists); j++ {
			tags = append(tags, bson.E{Key: "l_" + t.Lists[j].Name, Value: bsonValues(d.Lists[j])})
		}
		if len(tags) == 0 {
			continue
		}
		wctx, stop := b.writing(ctx)
		r, err := t.c.UpdateOne(wctx, append(t.byID(d.Account, d.ID), bson.E{Key: "rev", Value: d.Rev}), set(tags))
		err = failure(wctx, err)
		stop()
		if err != nil {
			return nil, err
		}
		if r.MatchedCount == 0 {
			late = append(late, i)
		}
	}
	return late, nil
}

// Built records how far blind indexes are built.
func (b *Backend) Built(ctx context.Context, dt *docstore.Table, blinds []string, upto *docstore.Position) error {
	d := bson.D{{Key: "done", Value: upto == nil}, {Key: "begun", Value: upto != nil}}
	if upto != nil {
		d = append(d, bson.E{Key: "account", Value: upto.Account}, bson.E{Key: "doc", Value: upto.ID})
	}
	wctx, stop := b.writing(ctx)
	defer stop()
	_, err := b.tables.UpdateMany(wctx, bson.D{{Key: "table", Value: dt.Name}, {Key: "name", Value: bson.D{{Key: "$in", Value: blinds}}}}, set(d))
	return failure(wctx, err)
}
