package mongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ensure makes the indexes that are missing, and makes those anew that are stored
// in another form. Indexes nobody declares any more stay: another version of
// the program may still use them.
func ensure(ctx context.Context, c *driver.Collection, want []driver.IndexModel) error {
	have, err := forms(ctx, c)
	if err != nil {
		return err
	}
	var missing []driver.IndexModel
	for _, m := range want {
		name, form, err := formOf(m)
		if err != nil {
			return err
		}
		old, known := have[name]
		if old == form {
			continue
		}
		if known {
			if err := c.Indexes().DropOne(ctx, name); err != nil {
				return failure(ctx, err)
			}
		}
		missing = append(missing, m)
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.Indexes().CreateMany(ctx, missing)
	return failure(ctx, err)
}

// forms describes the stored indexes by name.
func forms(ctx context.Context, c *driver.Collection) (map[string]string, error) {
	cur, err := c.Indexes().List(ctx)
	raws, err := drain(ctx, cur, err)
	out := make(map[string]string, len(raws))
	for _, raw := range raws {
		name, _ := raw.Lookup("name").StringValueOK()
		unique, _ := raw.Lookup("unique").BooleanOK()
		if d, ok := raw.Lookup("key").DocumentOK(); ok {
			out[name] = form(d, unique)
		}
	}
	return out, err
}

func formOf(m driver.IndexModel) (name, f string, err error) {
	var o options.IndexOptions
	for _, apply := range m.Options.List() {
		if err := apply(&o); err != nil {
			return "", "", err
		}
	}
	d, err := bson.Marshal(m.Keys)
	return *o.Name, form(d, o.Unique != nil && *o.Unique), err
}

// form is an index in one line: its fields in order, and whether it is unique.
func form(d bson.Raw, unique bool) string {
	s := fmt.Sprint(unique)
	elements, err := d.Elements()
	if err != nil {
		return ""
	}
	for _, e := range elements {
		dir, _ := e.Value().AsInt64OK()
		s += fmt.Sprintf(" %s:%d", e.Key(), dir)
	}
	return s
}
