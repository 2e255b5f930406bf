package store

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	_ "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1" // the contract whose links are counted
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// unlinked returns the fields of a stored type that name somebody who took part,
// by the contract, and that no relinking reaches.
func unlinked(doc any, spec docstore.Spec, fields []docstore.Link, list string) []string {
	reached := map[string]bool{}
	for _, ix := range spec.Indexes {
		if list == ix.Name || slices.ContainsFunc(fields, func(l docstore.Link) bool { return l.Index == ix.Name && l.Field == ix.Fields[0] }) {
			reached[ix.Fields[0]] = true
		}
	}
	var missing []string
	typ := reflect.TypeOf(doc)
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(tag.Get("field")))
		if err != nil {
			continue
		}
		fd, ok := d.(protoreflect.FieldDescriptor)
		name, _, _ := strings.Cut(tag.Get("doc"), ",")
		if ok && contract.Personal(fd).GetRole() == optionsv1.Role_ROLE_AUTHOR_LINK && !reached[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestEveryLinkOfTheContractIsRelinked(t *testing.T) {
	for _, c := range []struct {
		doc    any
		spec   docstore.Spec
		fields []docstore.Link
		list   string
	}{
		{ticketDoc{}, ticketSpec, ticketNames.fields, ticketNames.list},
		{conversationDoc{}, conversationSpec, conversationNames.fields, conversationNames.list},
		{threadDoc{}, threadSpec, threadNames.fields, threadNames.list},
		{messageDoc{}, messageSpec, messageNames.fields, messageNames.list},
		{callDoc{}, callSpec, callNames.fields, callNames.list},
		{chatDoc{}, chatSpec, chatNames.fields, chatNames.list},
	} {
		if missing := unlinked(c.doc, c.spec, c.fields, c.list); len(missing) > 0 {
			t.Errorf("%s: nobody relinks %v", c.spec.Name, missing)
		}
	}
	// The controls: a link left out is seen, in a field and in a list.
	if got := unlinked(conversationDoc{}, conversationSpec, conversationNames.fields[:1], ""); !slices.Equal(got, []string{"last_edited_user_id"}) {
		t.Errorf("a link that is left out: %v", got)
	}
	if got := unlinked(chatDoc{}, chatSpec, nil, ""); !slices.Equal(got, []string{"speakers"}) {
		t.Errorf("a list that is left out: %v", got)
	}
}
