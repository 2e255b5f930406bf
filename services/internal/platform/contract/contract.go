// Package contract reads what the contract says beside its types and refuses
// silence: every field of every lethe message says whether it is personal,
// every resource says whose it is, every method says who may call it, and
// every stored field says which contract field it holds. The gates are plain
// functions that return all that is wrong; tests and the start of a service
// call them.
package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Violation is one thing the contract leaves open or says twice.
type Violation struct {
	// Gate is "field", "resource", "method" or "service".
	Gate string
	// Where is the full name of the field, message, method or service.
	Where protoreflect.FullName
	// What is wrong with it, in words.
	What string
}

// String returns one line for the build's output.
func (v Violation) String() string { return fmt.Sprintf("%s %s: %s", v.Gate, v.Where, v.What) }

// Files returns the files of the contract that are linked into the program, in
// order of path: package lethe and below, but for the options themselves.
func Files() []protoreflect.FileDescriptor {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if ours(fd.Package()) {
			files = append(files, fd)
		}
		return true
	})
	slices.SortFunc(files, func(a, b protoreflect.FileDescriptor) int { return cmp.Compare(a.Path(), b.Path()) })
	return files
}

func ours(pkg protoreflect.FullName) bool {
	return strings.HasPrefix(string(pkg), "lethe.") && !strings.HasPrefix(string(pkg)+".", "lethe.options.")
}

// CheckAll runs all gates over Files.
func CheckAll() []Violation { return Check(Files()) }

// Check runs all gates over a set of files.
func Check(files []protoreflect.FileDescriptor) []Violation {
	return slices.Concat(CheckFields(files), CheckResources(files), CheckMethods(files), CheckServices(files))
}

// Err makes one error of violations, nil of none.
func Err(violations []Violation) error {
	var errs []error
	for _, v := range violations {
		errs = append(errs, errors.New(v.String()))
	}
	return errors.Join(errs...)
}

// Personal returns what a field says about a person; nil when it says nothing or that it is not personal.
func Personal(fd protoreflect.FieldDescriptor) *optionsv1.Personal {
	if !proto.HasExtension(fd.Options(), optionsv1.E_Personal) {
		return nil
	}
	p, _ := proto.GetExtension(fd.Options(), optionsv1.E_Personal).(*optionsv1.Personal)
	return p
}

// Resource returns what a message says as a resource; nil when it is none.
func Resource(md protoreflect.MessageDescriptor) *optionsv1.Resource {
	if !proto.HasExtension(md.Options(), optionsv1.E_Resource) {
		return nil
	}
	r, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	return r
}

// Permission returns who may call a method; unspecified when it does not say.
func Permission(md protoreflect.MethodDescriptor) optionsv1.Permission {
	p, _ := proto.GetExtension(md.Options(), optionsv1.E_Permission).(optionsv1.Permission)
	return p
}

// Callers returns the names of the services that call a service, in the contract's order.
func Callers(sd protoreflect.ServiceDescriptor) []string {
	c, _ := proto.GetExtension(sd.Options(), optionsv1.E_Callers).(*optionsv1.Callers)
	return c.GetServices()
}

// Link reports whether a field is an id that points at something and no value
// of a person; links may stand in clear, values may not.
func Link(fd protoreflect.FieldDescriptor) bool {
	p := Personal(fd)
	if p == nil || (p.GetRole() == optionsv1.Role_ROLE_UNSPECIFIED && p.GetCategory() != optionsv1.Category_CATEGORY_LINKS) {
		return false
	}
	switch fd.Kind() {
	case protoreflect.Int64Kind, protoreflect.Int32Kind, protoreflect.Uint64Kind, protoreflect.Uint32Kind,
		protoreflect.Fixed64Kind, protoreflect.Fixed32Kind, protoreflect.Sfixed64Kind, protoreflect.Sfixed32Kind,
		protoreflect.Sint64Kind, protoreflect.Sint32Kind:
		return true
	}
	return false
}

// messages calls visit for every message of the files, nested ones included;
// the entries of maps are no messages of their own.
func messages(files []protoreflect.FileDescriptor, visit func(protoreflect.MessageDescriptor)) {
	var walk func(protoreflect.MessageDescriptors)
	walk = func(all protoreflect.MessageDescriptors) {
		for i := range all.Len() {
			if md := all.Get(i); !md.IsMapEntry() {
				visit(md)
				walk(md.Messages())
			}
		}
	}
	for _, f := range files {
		if ours(f.Package()) {
			walk(f.Messages())
		}
	}
}

// methods calls visit for every method of the files.
func methods(files []protoreflect.FileDescriptor, visit func(protoreflect.MethodDescriptor)) {
	for _, f := range files {
		if !ours(f.Package()) {
			continue
		}
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				visit(f.Services().Get(i).Methods().Get(j))
			}
		}
	}
}
