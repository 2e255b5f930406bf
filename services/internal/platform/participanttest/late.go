package participanttest

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

// A token outlives by minutes whoever is being erased: under it nothing is written any more.
func late(w *world) {
	asked := 0
	w.each(1, func(p Person) {
		gone := Person{Account: p.Account, ID: p.ID + 1<<30, Kind: p.Kind}
		w.ok(w.fence(gone, erasing, "erase", w.token()))
		for _, m := range w.asked(p) {
			if m.As != nil || !w.writes(m) {
				continue
			}
			asked++
			_, err := m.Call(w.k.As(authn.Identity{Account: gone.Account, Actor: gone.ID, Role: authn.RoleAdmin}))
			w.refused(m.Name+" by somebody who is being erased", err, denied)
		}
	})
	if asked == 0 {
		w.errorf("no method of the list writes")
	}
}

// writes reports whether a method may change something, by its permission.
func (w *world) writes(m Method) bool {
	name := "lethe." + w.Service + ".v1." + strings.Replace(m.Name, "/", ".", 1)
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false // methodsListed tells
	}
	md, ok := d.(protoreflect.MethodDescriptor)
	return ok && authn.Writes(contract.Permission(md))
}
