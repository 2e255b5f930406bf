package contract

import (
	"fmt"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// CheckFields is the first gate: every field of every message, nested,
// request and filter alike, has exactly one of personal and not_personal, and
// says all of it.
func CheckFields(files []protoreflect.FileDescriptor) []Violation {
	var found []Violation
	messages(files, func(md protoreflect.MessageDescriptor) {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			for _, what := range fieldMistakes(fd) {
				found = append(found, Violation{"field", fd.FullName(), what})
			}
		}
	})
	return found
}

func fieldMistakes(fd protoreflect.FieldDescriptor) []string {
	p := Personal(fd)
	plain := proto.HasExtension(fd.Options(), optionsv1.E_NotPersonal)
	switch {
	case p != nil && plain:
		return []string{"says both personal and not_personal"}
	case plain:
		if reason, _ := proto.GetExtension(fd.Options(), optionsv1.E_NotPersonal).(string); strings.TrimSpace(reason) == "" {
			return []string{"not_personal has no reason"}
		}
		return nil
	case p == nil:
		return []string{"says neither personal nor not_personal"}
	}
	var wrong []string
	if !named(p.GetCategory()) && !named(p.GetRole()) {
		wrong = append(wrong, "personal without a category")
	}
	if !known(p.GetCategory()) || !known(p.GetRole()) || !known(p.GetOnErase()) {
		wrong = append(wrong, "personal with a value the contract does not know")
	}
	if !named(p.GetOnErase()) {
		wrong = append(wrong, "personal without on_erase")
	}
	retain, ground := p.GetOnErase() == optionsv1.EraseAction_ERASE_ACTION_RETAIN, strings.TrimSpace(p.GetGround()) != ""
	if retain && !ground {
		wrong = append(wrong, "retained without a ground")
	}
	if !retain && p.Ground != nil {
		wrong = append(wrong, "a ground, but not retained")
	}
	return wrong
}

func named(e protoreflect.Enum) bool { return e.Number() != 0 }

func known(e protoreflect.Enum) bool { return e.Descriptor().Values().ByNumber(e.Number()) != nil }

// CheckResources is the second gate: every message with an id that a method
// returns, at whatever depth, says whose it is, under which name and for what
// purpose it is held. A message that only points at something is no resource:
// its id is a link and no field of it holds a personal value.
func CheckResources(files []protoreflect.FileDescriptor) []Violation {
	var found []Violation
	returned := reachable(files)
	names := map[string]protoreflect.FullName{}
	messages(files, func(md protoreflect.MessageDescriptor) {
		add := func(format string, args ...any) {
			found = append(found, Violation{"resource", md.FullName(), fmt.Sprintf(format, args...)})
		}
		r := Resource(md)
		if r == nil {
			if returned[md.FullName()] && md.Fields().ByName("id") != nil && !reference(md) {
				add("has an id and is returned, but says nothing as a resource")
			}
			return
		}
		for _, what := range resourceMistakes(md, r, files) {
			add("%s", what)
		}
		if other, taken := names[r.GetName()]; taken && r.GetName() != "" {
			add("shares the name %q with %s", r.GetName(), other)
		}
		names[r.GetName()] = md.FullName()
	})
	return found
}

func resourceMistakes(md protoreflect.MessageDescriptor, r *optionsv1.Resource, files []protoreflect.FileDescriptor) []string {
	var wrong []string
	if !named(r.GetOwner()) || !known(r.GetOwner()) {
		wrong = append(wrong, "has no owner")
	}
	if strings.TrimSpace(r.GetName()) == "" {
		wrong = append(wrong, "has no name")
	}
	if r.GetOwner() != optionsv1.Owner_OWNER_NONE && strings.TrimSpace(r.GetPurpose()) == "" {
		wrong = append(wrong, "has no purpose")
	}
	if r.GetOwner() != optionsv1.Owner_OWNER_SUBJECT {
		if r.SubjectField != nil {
			wrong = append(wrong, "has a subject_field, but no subject owns it")
		}
		return wrong
	}
	if !subjectLink(md, r.GetSubjectField(), files) {
		wrong = append(wrong, fmt.Sprintf("subject_field %q is no field with the role of a subject link", r.GetSubjectField()))
	}
	return wrong
}

// subjectLink reports whether a path leads to a field with the role of a
// subject link: in the message itself, or "ticket.requester_id" in a resource
// of that name.
func subjectLink(md protoreflect.MessageDescriptor, path string, files []protoreflect.FileDescriptor) bool {
	head, tail, dotted := strings.Cut(path, ".")
	if !dotted {
		return isSubjectLink(md.Fields().ByName(protoreflect.Name(head)))
	}
	found := false
	messages(files, func(other protoreflect.MessageDescriptor) {
		if Resource(other) != nil && strings.EqualFold(strings.ReplaceAll(head, "_", ""), string(other.Name())) {
			found = found || isSubjectLink(other.Fields().ByName(protoreflect.Name(tail)))
		}
	})
	return found
}

func isSubjectLink(fd protoreflect.FieldDescriptor) bool {
	return fd != nil && Personal(fd).GetRole() == optionsv1.Role_ROLE_SUBJECT_LINK
}

// reference reports whether a message only points at something.
func reference(md protoreflect.MessageDescriptor) bool {
	if !Link(md.Fields().ByName("id")) {
		return false
	}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); Personal(fd) != nil && !Link(fd) {
			return false
		}
	}
	return true
}

// reachable returns the names of all messages that methods return, at any depth.
func reachable(files []protoreflect.FileDescriptor) map[protoreflect.FullName]bool {
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(md protoreflect.MessageDescriptor) {
		if md == nil || seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			walk(md.Fields().Get(i).Message())
		}
	}
	methods(files, func(m protoreflect.MethodDescriptor) { walk(m.Output()) })
	return seen
}

// CheckMethods is the third gate: every method names the permission its caller needs.
func CheckMethods(files []protoreflect.FileDescriptor) []Violation {
	var found []Violation
	methods(files, func(m protoreflect.MethodDescriptor) {
		if p := Permission(m); !named(p) || !known(p) {
			found = append(found, Violation{"method", m.FullName(), "has no permission"})
		}
	})
	return found
}

// CheckServices returns the services that do not say who calls them: what goes
// where is part of the data map, so silence is refused.
func CheckServices(files []protoreflect.FileDescriptor) []Violation {
	var found []Violation
	for _, f := range files {
		if !ours(f.Package()) {
			continue
		}
		for i := range f.Services().Len() {
			if s := f.Services().Get(i); len(Callers(s)) == 0 {
				found = append(found, Violation{"service", s.FullName(), "does not say who calls it"})
			}
		}
	}
	return found
}
