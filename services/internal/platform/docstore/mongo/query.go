package mongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// query is a Find on its way to a filter.
type query struct {
	t *table
	f *docstore.Find
	// keys are the fields of the order behind those that are fixed by equality.
	keys []string
	// list is the list an index walks value by value, "" when there is none or its
	// value is fixed.
	list string
}

func (t *table) query(f *docstore.Find) *query {
	q := &query{t: t, f: f, keys: []string{"id"}}
	if f.Index != nil {
		q.keys = t.order(f.Index)[len(f.Eq):]
		if f.Index.List >= len(f.Eq) {
			q.list = q.keys[f.Index.List-len(f.Eq)]
		}
	}
	return q
}

// nothing is a filter that no document passes.
func nothing() bson.D { return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{}}}}} }

// base is the filter without range and position on a list that is walked, which
// must look at one value at a time.
func (q *query) base() bson.D {
	var d bson.D
	f := q.f
	if !f.All {
		d = append(d, bson.E{Key: "account", Value: f.Account})
	}
	if f.Index == nil {
		d = append(d, tagged(f.Blinds, f.Tags))
	} else {
		for i, v := range f.Eq {
			d = append(d, bson.E{Key: q.t.order(f.Index)[i], Value: bsonValue(v)})
		}
		if q.list != q.keys0() || q.list == "" {
			d = append(d, q.bounds()...)
		}
		if f.Index.Unique {
			d = append(d, bson.E{Key: "$nor", Value: bson.A{bson.D{{Key: q.t.field(f.Index.Fields[len(f.Index.Fields)-1]), Value: nil}}}})
		}
	}
	if f.Where != nil {
		d = append(d, bson.E{Key: "$and", Value: bson.A{q.test(f.Where)}})
	}
	return d
}

func (q *query) keys0() string {
	if len(q.keys) == 0 {
		return ""
	}
	return q.keys[0]
}

// tagged finds documents with one of the tags in one of the blind indexes.
func tagged(blinds []string, tags [][]byte) bson.E {
	values := bson.A{}
	for _, tag := range tags {
		values = append(values, bson.Binary{Data: tag})
	}
	in := bson.D{{Key: "$in", Value: values}}
	if len(blinds) == 1 {
		return bson.E{Key: "b_" + blinds[0], Value: in}
	}
	or := bson.A{}
	for _, name := range blinds {
		or = append(or, bson.D{{Key: "b_" + name, Value: in}})
	}
	return bson.E{Key: "$or", Value: or}
}

// bounds is the range on the field behind the fixed ones.
func (q *query) bounds() (d bson.D) {
	var r bson.D
	if q.f.From != nil {
		r = append(r, bson.E{Key: "$gte", Value: bsonValue(*q.f.From)})
	}
	if q.f.To != nil {
		r = append(r, bson.E{Key: "$lt", Value: bsonValue(*q.f.To)})
	}
	if len(r) > 0 {
		d = append(d, bson.E{Key: q.keys0(), Value: r})
	}
	return d
}

// after continues behind a position: a later first key, or the same one and a
// later second, and so on. An absent value is the least.
func (q *query) after(p *docstore.Position) bson.D {
	if p == nil {
		return nil
	}
	vals := slices.Clone(p.Key)
	if q.f.Index != nil {
		if q.f.Index.Global {
			vals = append(vals, docstore.IntValue(p.Account))
		}
		vals = append(vals, docstore.IntValue(p.ID))
		vals = vals[len(q.f.Eq):]
	} else {
		vals = []docstore.Value{docstore.IntValue(p.ID)}
	}
	or := bson.A{}
	for i, key := range q.keys {
		var d bson.D
		for k := range i {
			d = append(d, bson.E{Key: q.keys[k], Value: bsonValue(vals[k])})
		}
		v, null := bsonValue(vals[i]), vals[i].Kind == docstore.Null
		switch {
		case !q.f.Desc && null:
			d = append(d, bson.E{Key: key, Value: bson.D{{Key: "$ne", Value: nil}}})
		case !q.f.Desc:
			d = append(d, bson.E{Key: key, Value: bson.D{{Key: "$gt", Value: v}}})
		case null:
			continue
		case key == "id" || key == "account":
			d = append(d, bson.E{Key: key, Value: bson.D{{Key: "$lt", Value: v}}})
		default:
			d = append(d, bson.E{Key: "$or", Value: bson.A{
				bson.D{{Key: key, Value: bson.D{{Key: "$lt", Value: v}}}}, bson.D{{Key: key, Value: nil}}}})
		}
		or = append(or, d)
	}
	if len(or) == 0 {
		return nothing()
	}
	return bson.D{{Key: "$or", Value: or}}
}

// both joins two filters.
func both(a, b bson.D) bson.D {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	}
	return bson.D{{Key: "$and", Value: bson.A{a, b}}}
}

func (q *query) sort() bson.D {
	dir := 1
	if q.f.Desc {
		dir = -1
	}
	var d bson.D
	for _, k := range q.keys { // not the fixed ones: sorting by a list would look at its least value

		if !slices.ContainsFunc(d, func(e bson.E) bool { return e.Key == k }) {
			d = append(d, bson.E{Key: k, Value: dir})
		}
	}
	return d
}

// comparisons are the operators of tests; an absent value passes none of them.
var comparisons = map[string]string{"=": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}

// test turns a condition into a filter.
func (q *query) test(w *docstore.Test) bson.D {
	key := q.t.field(w.Column)
	if w.Blind {
		key = "b_" + w.Column
	}
	switch w.Op {
	case "and", "or":
		subs := bson.A{}
		for i := range w.Tests {
			subs = append(subs, q.test(&w.Tests[i]))
		}
		if len(subs) == 0 {
			return nothing() // or over nothing
		}
		return bson.D{{Key: "$" + w.Op, Value: subs}}
	case "null":
		return bson.D{{Key: key, Value: nil}}
	case "notnull":
		return bson.D{{Key: key, Value: bson.D{{Key: "$ne", Value: nil}}}}
	case "in":
		values := bson.A{}
		for _, v := range w.List {
			switch {
			case v.Kind == docstore.Null: // equals nothing
			case w.Blind:
				values = append(values, bson.Binary{Data: []byte(v.Text)})
			default:
				values = append(values, bsonValue(v))
			}
		}
		return bson.D{{Key: key, Value: bson.D{{Key: "$in", Value: values}}}}
	}
	if w.List[0].Kind == docstore.Null {
		return nothing()
	}
	return bson.D{{Key: key, Value: bson.D{{Key: comparisons[w.Op], Value: bsonValue(w.List[0])}}}}
}
