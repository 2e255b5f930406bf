package mongo

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// fields are all of a document but its _id. Of an Update the parts and tags that stay are left out.
func (t *table) fields(w *docstore.Write, rev int64, fresh bool) bson.D {
	d := bson.D{
		{Key: "account", Value: w.Account}, {Key: "id", Value: w.ID}, {Key: "owner", Value: w.Owner}, {Key: "rev", Value: rev},
		{Key: "created_at", Value: w.Created}, {Key: "updated_at", Value: w.Updated},
		{Key: "kid", Value: kidValue(w.Row.Kid)}, {Key: "seal_ver", Value: w.SealVer}, {Key: "body_ver", Value: w.BodyVer},
	}
	for i, c := range t.Columns {
		d = append(d, bson.E{Key: "f_" + c.Name, Value: bsonValue(w.Values[i])})
	}
	for i, l := range t.Lists {
		d = append(d, bson.E{Key: "l_" + l.Name, Value: bsonValues(w.Lists[i])})
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; ix.Unique {
			d = append(d, bson.E{Key: "u_" + ix.Name, Value: t.unique(ix, &w.Row)})
		}
	}
	d = append(d, t.tagFields(w.Tags, fresh)...)
	d = append(d, bson.E{Key: "clear", Value: part(w.Clear)})
	if w.SetSealed || fresh {
		d = append(d, bson.E{Key: "sealed", Value: part(w.Sealed)})
	}
	if w.SetBody || fresh {
		d = append(d, bson.E{Key: "body", Value: part(w.Body)})
	}
	return d
}

// tagFields are the tags that are set; what is nil stays.
func (t *table) tagFields(tags [][][]byte, fresh bool) (d bson.D) {
	for i, name := range t.Blinds {
		var list [][]byte
		if tags != nil {
			list = tags[i]
		}
		if list == nil && !fresh {
			continue
		}
		a := bson.A{}
		for _, tag := range list {
			a = append(a, bson.Binary{Data: tag})
		}
		d = append(d, bson.E{Key: "b_" + name, Value: a})
	}
	return d
}

// part is a stored part; an absent one is null, an empty one is empty.
func part(b []byte) any {
	if b == nil {
		return nil
	}
	return bson.Binary{Data: b}
}

func kidValue(k keyring.KeyID) bson.Binary { return bson.Binary{Data: k[:]} }

func kidOf(r bson.RawValue) (k keyring.KeyID) {
	if _, data, ok := r.BinaryOK(); ok {
		copy(k[:], data)
	}
	return k
}

func bytesOf(r bson.RawValue) []byte {
	_, data, ok := r.BinaryOK()
	if !ok {
		return nil
	}
	return append([]byte{}, data...) // the batch it lies in is used again
}

func intOf(raw bson.Raw, key string) int64 {
	n, _ := raw.Lookup(key).AsInt64OK()
	return n
}

// lean leaves out what a read does not need.
func lean(parts bool) bson.D {
	d := bson.D{{Key: "body", Value: 0}}
	if !parts {
		d = append(d, bson.E{Key: "sealed", Value: 0}, bson.E{Key: "clear", Value: 0})
	}
	return d
}

// found reads a document; what the ring says of its owner is added later.
func (t *table) found(raw bson.Raw) (docstore.Found, error) {
	f := docstore.Found{Slot: docstore.NoSlot}
	f.Values = make([]docstore.Value, len(t.Columns))
	at := make(map[string]int, len(t.Columns))
	for i, c := range t.Columns {
		at["f_"+c.Name] = i
	}
	elements, err := raw.Elements()
	if err != nil {
		return f, fmt.Errorf("%w: a stored document cannot be read", docstore.ErrUnavailable)
	}
	for _, e := range elements {
		v := e.Value()
		switch key := e.Key(); key {
		case "account":
			f.Account = v.AsInt64()
		case "id":
			f.ID = v.AsInt64()
		case "owner":
			f.Owner = v.AsInt64()
		case "rev":
			f.Rev = v.AsInt64()
		case "created_at":
			f.Created = v.AsInt64()
		case "updated_at":
			f.Updated = v.AsInt64()
		case "seal_ver":
			f.SealVer = v.AsInt64()
		case "body_ver":
			f.BodyVer = v.AsInt64()
		case "kid":
			f.Kid = kidOf(v)
		case "clear":
			f.Clear = bytesOf(v)
		case "sealed":
			f.Sealed = bytesOf(v)
		case "body":
			f.Body = bytesOf(v)
		default:
			if i, ok := at[key]; ok {
				f.Values[i] = fromBSON(v, t.Columns[i].Kind)
			}
		}
	}
	return f, nil
}
