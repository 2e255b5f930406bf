package mongo

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// table is a bound collection.
type table struct {
	*docstore.Table
	c *driver.Collection
}

// The names of a document's fields: those every document has stand bare, a clear
// field behind f_, a list behind l_, a blind index's tags behind b_, the key of
// a unique index behind u_.
var bare = []string{"id", "owner", "rev", "created_at", "updated_at", "account"}

func (t *table) field(name string) string {
	switch {
	case slices.Contains(bare, name):
		return name
	case slices.ContainsFunc(t.Lists, func(l docstore.Column) bool { return l.Name == name }):
		return "l_" + name
	}
	return "f_" + name
}

func (t *table) kind(name string) docstore.Kind {
	for _, c := range slices.Concat(t.Columns, t.Lists) {
		if c.Name == name {
			return c.Kind
		}
	}
	return docstore.Int // bare
}

// order is what a walk of an index is sorted by, before direction.
func (t *table) order(ix *docstore.TableIndex) []string {
	var out []string
	for _, f := range ix.Fields {
		out = append(out, t.field(f))
	}
	if ix.Global {
		out = append(out, "account")
	}
	return append(out, "id")
}

func indexName(ix *docstore.TableIndex) string { return "i_" + ix.Name }

// indexes lists what Bind makes. Every index carries the owner, so that rows of
// fenced people are skipped within it.
func (t *table) indexes() []driver.IndexModel {
	var out []driver.IndexModel
	add := func(name string, unique bool, fields ...string) {
		var k bson.D
		for _, f := range fields {
			if !slices.ContainsFunc(k, func(e bson.E) bool { return e.Key == f }) {
				k = append(k, bson.E{Key: f, Value: 1})
			}
		}
		o := options.Index().SetName(name)
		if unique {
			o.SetUnique(true)
		}
		out = append(out, driver.IndexModel{Keys: k, Options: o})
	}
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		fields := t.order(ix)
		if !ix.Global {
			fields = append([]string{"account"}, fields...)
		}
		add(indexName(ix), false, append(fields, "owner")...)
		if ix.Unique {
			// No partial index: neither a shard key nor every server of the wire has it.
			add("u_"+ix.Name, true, "account", "u_"+ix.Name)
		}
	}
	for _, name := range t.Blinds {
		add("b_"+name, false, "account", "b_"+name, "id", "owner")
	}
	return out
}

// Bind makes the indexes and notes which blind indexes are new.
func (b *Backend) Bind(ctx context.Context, dt *docstore.Table) error {
	t := &table{Table: dt, c: b.db.Collection("d_" + dt.Name)}
	if err := b.fillUnique(ctx, t); err != nil {
		return err
	}
	if err := ensure(ctx, t.c, t.indexes()); err != nil {
		return err
	}
	if err := b.noteForms(ctx, t); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound[dt.Name] = t
	return nil
}

func (b *Backend) table(dt *docstore.Table) *table {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bound[dt.Name]
}

// fillUnique gives documents from before a unique index was declared its key.
func (b *Backend) fillUnique(ctx context.Context, t *table) error {
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if !ix.Unique {
			continue
		}
		missing := bson.D{{Key: "u_" + ix.Name, Value: bson.D{{Key: "$exists", Value: false}}}}
		for {
			raws, err := all(ctx, t.c, missing, options.Find().SetLimit(1000).SetProjection(lean(false)))
			if err != nil {
				return err
			}
			for _, raw := range raws {
				f, err := t.found(raw)
				if err != nil {
					return err
				}
				_, err = t.c.UpdateOne(ctx, bson.D{{Key: "_id", Value: docID(f.Account, f.ID)}, {Key: "account", Value: f.Account}, {Key: "rev", Value: f.Rev}},
					set(bson.D{{Key: "u_" + ix.Name, Value: t.unique(ix, &f.Row)}}))
				if err != nil {
					return failure(ctx, err)
				}
			}
			if len(raws) == 0 {
				break
			}
		}
	}
	return nil
}

func set(d bson.D) bson.D { return bson.D{{Key: "$set", Value: d}} }

// docID is a document's _id: it is unique over all shards, for the account is the shard key.
func docID(account, id int64) string {
	return strconv.FormatInt(account, 10) + ":" + strconv.FormatInt(id, 10)
}

// bsonValue is a value's stored form. Bytes become lower-case hexadecimal, which sorts
// bytewise; MongoDB sorts binary values by their length first.
func bsonValue(v docstore.Value) any {
	switch v.Kind {
	case docstore.Int:
		return v.Int
	case docstore.Text:
		return v.Text
	case docstore.Float:
		return v.Float
	case docstore.Bytes:
		return hex.EncodeToString([]byte(v.Text))
	}
	return nil
}

func bsonValues(vs []docstore.Value) bson.A {
	out := bson.A{}
	for _, v := range vs {
		out = append(out, bsonValue(v))
	}
	return out
}

// fromBSON is the reverse, for a column of a kind.
func fromBSON(r bson.RawValue, k docstore.Kind) docstore.Value {
	switch k {
	case docstore.Int:
		if n, ok := r.AsInt64OK(); ok {
			return docstore.IntValue(n)
		}
	case docstore.Float:
		if x, ok := r.AsFloat64OK(); ok {
			return docstore.Value{Kind: docstore.Float, Float: x}
		}
	case docstore.Text:
		if s, ok := r.StringValueOK(); ok {
			return docstore.Value{Kind: docstore.Text, Text: s}
		}
	case docstore.Bytes:
		if s, ok := r.StringValueOK(); ok {
			if raw, err := hex.DecodeString(s); err == nil {
				return docstore.Value{Kind: docstore.Bytes, Text: string(raw)}
			}
		}
	}
	return docstore.Value{}
}

// value is a row's value of a name that indexes use.
func (t *table) value(r *docstore.Row, name string) docstore.Value {
	switch name {
	case "id":
		return docstore.IntValue(r.ID)
	case "owner":
		return docstore.IntValue(r.Owner)
	case "rev":
		return docstore.IntValue(r.Rev)
	case "created_at":
		return docstore.IntValue(r.Created)
	case "updated_at":
		return docstore.IntValue(r.Updated)
	case "account":
		return docstore.IntValue(r.Account)
	}
	for i, c := range t.Columns {
		if c.Name == name {
			return r.Values[i]
		}
	}
	return docstore.Value{}
}

// unique is a document's key in a unique index: its values, each with its length,
// or its own id when the last one is absent, which nobody else has.
func (t *table) unique(ix *docstore.TableIndex, r *docstore.Row) string {
	var s strings.Builder
	for i, name := range ix.Fields {
		v := t.value(r, name)
		if v.Kind == docstore.Null && i == len(ix.Fields)-1 {
			return "-" + strconv.FormatInt(r.ID, 10)
		}
		text := fmt.Sprint(bsonValue(v))
		fmt.Fprintf(&s, "+%d.%d:%s", v.Kind, len(text), text)
	}
	return s.String()
}
