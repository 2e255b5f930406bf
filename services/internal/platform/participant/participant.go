// Package participant answers privacy's calls for a service that holds
// personal data: one implementation of PersonalDataService over the document
// port, so that fencing, destroying, sweeping, counting and exporting mean the
// same everywhere. A service only lists its resources.
package participant

import (
	"context"
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// sweepPage is how many records one sweep transaction deletes: small enough
// that other writers get their turn between two of them.
const sweepPage = 200

// Resource is one kind of record a service owns by person.
type Resource struct {
	// Message is the contract message; its resource option gives name, owner and purpose.
	Message proto.Message
	// Category is what the outcomes and counts of the resource are filed under.
	Category optionsv1.Category
	// Count counts the person's records by a query of its own, also behind every fence.
	Count func(ctx context.Context, s ring.Subject) (int64, error)
	// Sweep deletes up to limit records of a person whose key is gone, and says whether more are left.
	Sweep func(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error)
	// Export emits the person's records behind the cursor `after`, in an order
	// of its own that later writes do not change; each record with the cursor behind it.
	Export func(ctx context.Context, s ring.Subject, after string, emit Emit) error
}

// Emit hands on one record with its files; the cursor continues behind both.
type Emit func(cursor string, record proto.Message, files ...File) error

// File is a file that hangs on an exported record.
type File struct {
	// ID and RecordID are opaque ids of the file and of the record it hangs on.
	ID, RecordID string
	// Name and ContentType are as the person sent them.
	Name, ContentType string
	// Size is in bytes.
	Size int64
	// Open returns the file's bytes; the caller closes it.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Server implements participantv1.PersonalDataServiceServer.
type Server struct {
	participantv1.UnimplementedPersonalDataServiceServer
	db        *docstore.DB
	service   string
	resources []Resource
}

// New returns the participant of a service. It panics when a resource's
// message carries no resource option: the contract gate has missed it.
func New(db *docstore.DB, service string, resources []Resource) *Server {
	for _, r := range resources {
		if optionOf(r.Message).GetName() == "" {
			panic("participant: message without a resource option: " + string(r.Message.ProtoReflect().Descriptor().FullName()))
		}
	}
	return &Server{db: db, service: service, resources: resources}
}

func optionOf(m proto.Message) *optionsv1.Resource {
	o, _ := proto.GetExtension(m.ProtoReflect().Descriptor().Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	return o
}

// name is the resource's plural name in outcomes and exports.
func (r Resource) name() string { return optionOf(r.Message).GetName() }

// DescribeHoldings derives the data map's rows from the contract, so they cannot drift from it.
func (s *Server) DescribeHoldings(context.Context, *participantv1.DescribeHoldingsRequest) (*participantv1.DescribeHoldingsResponse, error) {
	out := &participantv1.DescribeHoldingsResponse{}
	for _, r := range s.resources {
		o := optionOf(r.Message)
		for _, row := range categoriesOf(r.Message.ProtoReflect().Descriptor()) {
			out.Holdings = append(out.Holdings, &participantv1.Holding{
				Resource: o.Name,
				Category: row.category.Enum(),
				Owner:    o.GetOwner().Enum(),
				OnErase:  row.onErase.Enum(),
				Purpose:  o.Purpose,
			})
		}
	}
	return out, nil
}

type categoryRow struct {
	category optionsv1.Category
	onErase  optionsv1.EraseAction
}

// categoriesOf lists each category of a message once, in the order of its fields.
func categoriesOf(d protoreflect.MessageDescriptor) []categoryRow {
	var rows []categoryRow
	seen := map[optionsv1.Category]bool{}
	for i := range d.Fields().Len() {
		p, _ := proto.GetExtension(d.Fields().Get(i).Options(), optionsv1.E_Personal).(*optionsv1.Personal)
		if p == nil {
			continue
		}
		c := p.GetCategory()
		if p.GetRole() != optionsv1.Role_ROLE_UNSPECIFIED {
			c = optionsv1.Category_CATEGORY_LINKS
		}
		if !seen[c] {
			seen[c] = true
			rows = append(rows, categoryRow{c, p.GetOnErase()})
		}
	}
	return rows
}
