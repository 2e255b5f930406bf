package datamap

import (
	"cmp"
	"slices"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// What the contract says beside its types is read here once more than in
// package contract, which knows the store: a gateway and a command line draw
// the map and link none.

// files are the files of the contract, in order of path.
func files() []protoreflect.FileDescriptor {
	var all []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(fd.Package()), "lethe.") {
			all = append(all, fd)
		}
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.FileDescriptor) int { return cmp.Compare(a.Path(), b.Path()) })
	return all
}

// personal is what a field says about a person; nil when it says nothing.
func personal(fd protoreflect.FieldDescriptor) *optionsv1.Personal {
	if !proto.HasExtension(fd.Options(), optionsv1.E_Personal) {
		return nil
	}
	p, _ := proto.GetExtension(fd.Options(), optionsv1.E_Personal).(*optionsv1.Personal)
	return p
}

// resource is what a message says as a resource; nil when it is none.
func resource(md protoreflect.MessageDescriptor) *optionsv1.Resource {
	if !proto.HasExtension(md.Options(), optionsv1.E_Resource) {
		return nil
	}
	r, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	return r
}

// callers are the names of the services that call a service.
func callers(sd protoreflect.ServiceDescriptor) []string {
	c, _ := proto.GetExtension(sd.Options(), optionsv1.E_Callers).(*optionsv1.Callers)
	return c.GetServices()
}
