// Package datamap reads from the contract what is held of people where, why,
// and what an erasure does to it (the register of GDPR Article 30), and which
// service hands what to which. Nothing in it is kept by hand, so it cannot
// drift from what the services do. It also draws the map as CSV and SVG.
package datamap

import (
	"cmp"
	"slices"
	"strings"

	// Every package of the contract is linked in here: the map is whole in each program.
	_ "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Row is one personal field of a stored resource. The names of its members in
// JSON are those of the contract's DataMapRow.
type Row struct {
	// Service holds it, as part of the resource of that plural name.
	Service  string `json:"service"`
	Resource string `json:"resource"`
	// Field is its path in the resource, with dots.
	Field string `json:"field"`
	// Category is the data category; of a person's id "links".
	Category string `json:"category"`
	// Role is subject_link or author_link for a person's id, else empty.
	Role string `json:"role"`
	// Owner says whose key seals it: subject or account.
	Owner string `json:"owner"`
	// OnErase is what an erasure does to it, Ground why it may stay.
	OnErase string `json:"on_erase"`
	Ground  string `json:"ground"`
	// Purpose is for what the account holds the resource.
	Purpose string `json:"purpose"`
}

// Flow is personal data that goes from one service to another. The names of its
// members in JSON are those of the contract's DataMapFlow.
type Flow struct {
	// Source hands it to Target.
	Source string `json:"source"`
	Target string `json:"target"`
	// Service is the contract's service that carries it, there or back.
	Service string `json:"service"`
	// Categories are the data categories, in the contract's order.
	Categories []string `json:"categories"`
}

// Map is the data map. Rows are in the order of services, resources and fields
// of the contract, flows by source, target and service.
type Map struct {
	Rows  []Row  `json:"rows"`
	Flows []Flow `json:"flows"`
}

// Read makes the map of the whole contract.
func Read() Map { return Of(files()) }

// Of makes the map of some files of the contract.
func Of(of []protoreflect.FileDescriptor) Map {
	rows := rowsOf(of)
	return Map{Rows: rows, Flows: flowsOf(of, rows)}
}

// Categories returns the words for the data categories, in the contract's order.
func Categories() []string {
	var all []string
	values := optionsv1.Category(0).Descriptor().Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 {
			all = append(all, word(string(v.Name()), "CATEGORY_"))
		}
	}
	return all
}

// word is the name of a value of an enum as people are shown it.
func word(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

// serviceOf is the name of the service whose package a file is: "tickets" of lethe.tickets.v1.
func serviceOf(fd protoreflect.FileDescriptor) string {
	parts := strings.Split(string(fd.Package()), ".")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func rowsOf(of []protoreflect.FileDescriptor) []Row {
	var rows []Row
	for _, f := range of {
		for i := range f.Messages().Len() {
			md := f.Messages().Get(i)
			r := resource(md)
			if r == nil || r.GetOwner() == optionsv1.Owner_OWNER_NONE {
				continue
			}
			base := Row{
				Service: serviceOf(f), Resource: r.GetName(), Purpose: r.GetPurpose(),
				Owner: word(r.GetOwner().String(), "OWNER_"),
			}
			fields(md, "", nil, func(path string, p *optionsv1.Personal) {
				row := base
				row.Field, row.Category, row.Ground = path, category(p), p.GetGround()
				row.OnErase = word(p.GetOnErase().String(), "ERASE_ACTION_")
				if p.GetRole() != optionsv1.Role_ROLE_UNSPECIFIED {
					row.Role = word(p.GetRole().String(), "ROLE_")
				}
				rows = append(rows, row)
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Resource, b.Resource))
	})
	return rows
}

// category is the word for what a field is; a person's id is a link.
func category(p *optionsv1.Personal) string {
	if p.GetRole() != optionsv1.Role_ROLE_UNSPECIFIED && p.GetCategory() == optionsv1.Category_CATEGORY_UNSPECIFIED {
		return word(optionsv1.Category_CATEGORY_LINKS.String(), "CATEGORY_")
	}
	return word(p.GetCategory().String(), "CATEGORY_")
}

// fields visits the personal fields of a message that are stored with it: those
// inside a message that is no resource of its own, or the message's field when
// it says nothing inside.
func fields(md protoreflect.MessageDescriptor, prefix string, above []protoreflect.FullName, visit func(string, *optionsv1.Personal)) int {
	n := 0
	above = append(slices.Clone(above), md.FullName())
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		p := personal(fd)
		inner := part(fd)
		if p.GetOnErase() == optionsv1.EraseAction_ERASE_ACTION_TRANSIENT || inner != nil && resource(inner) != nil {
			continue
		}
		path := prefix + string(fd.Name())
		if inner != nil && !slices.Contains(above, inner.FullName()) {
			if inside := fields(inner, path+".", above, visit); inside > 0 {
				n += inside
				continue
			}
		}
		if p != nil {
			visit(path, p)
			n++
		}
	}
	return n
}

// part is the message of the contract that a field holds; nil for a value, and
// for a message of others, which is one.
func part(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	md := fd.Message()
	if fd.IsMap() {
		md = fd.MapValue().Message()
	}
	if md == nil || !strings.HasPrefix(string(md.FullName()), "lethe.") {
		return nil
	}
	return md
}
