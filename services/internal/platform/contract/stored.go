package contract

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// CheckType is CheckStored for a document type; it fits docstore.Options.Check.
func CheckType(t reflect.Type, collection string) error {
	fields, err := docstore.FieldsOf(t)
	if err != nil {
		return fmt.Errorf("collection %s: %w", collection, err)
	}
	return CheckStored(collection, fields)
}

// CheckStored is the fourth gate: every stored field names a field of the
// contract or says why it holds none; what the contract calls personal is
// sealed unless it is a link, and is not stored at all where the contract says
// that it never is. The contract's packages must be linked in.
func CheckStored(collection string, fields []docstore.Field) error {
	var errs []error
	for _, f := range fields {
		if what := storedMistake(f); what != "" {
			errs = append(errs, fmt.Errorf("collection %s, field %s: %s", collection, f.Name, what))
		}
	}
	return errors.Join(errs...)
}

func storedMistake(f docstore.Field) string {
	why := strings.TrimSpace(f.Why) != ""
	switch {
	case f.Contract == "" && !why:
		return "names no contract field and gives no reason"
	case f.Contract == "":
		return ""
	case why:
		return "names a contract field and a reason for holding none"
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(f.Contract))
	if err != nil {
		return fmt.Sprintf("there is no contract field %s", f.Contract)
	}
	fd, ok := d.(protoreflect.FieldDescriptor)
	if !ok || !ours(fd.ParentFile().Package()) {
		return fmt.Sprintf("%s is no field of the contract", f.Contract)
	}
	p := Personal(fd)
	switch {
	case p == nil || Link(fd):
		return ""
	case p.GetOnErase() == optionsv1.EraseAction_ERASE_ACTION_TRANSIENT:
		return fmt.Sprintf("%s is never stored, says the contract", f.Contract)
	case !f.Sealed:
		return fmt.Sprintf("%s is personal and must be sealed", f.Contract)
	}
	return ""
}
