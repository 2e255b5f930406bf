// Package participant answers privacy's calls for a service that holds
// personal data: one implementation of PersonalDataService over the document
// port, so that fencing, destroying, sweeping, counting and exporting mean the
// same everywhere. A service only lists its resources.
package participant

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/fault/storefault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
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
	// Blank takes the person out of up to limit records that must stay, such as a
	// topic under which others wrote, so that Sweep then leaves them; nil when there are none.
	Blank func(ctx context.Context, s ring.Subject, limit int) (n int, more bool, err error)
	// Export emits the person's records behind the cursor `after`, in an order
	// of its own that later writes do not change; each record with the cursor behind it.
	Export func(ctx context.Context, s ring.Subject, after string, emit Emit) error
	// Links are the records of others that name somebody who took part; nil when none can.
	Links *Links
	// Mentions are the records of others that hold somebody's identifiers in their text; nil when none can.
	Mentions *Mentions
	// Items is how records go one by one; nil when they only go with their person.
	Items *Items
}

// FormerAgent is the id that links to an erased agent get.
const FormerAgent = ids.FormerAgent

// Links finds and empties links to people who are not the owner.
type Links struct {
	// Count counts the records of others that name the person, by a query of its own.
	Count func(ctx context.Context, s ring.Subject) (int64, error)
	// Relink puts `to` in place of the person in up to limit records of others,
	// whoever owns them and whatever fences they carry, and says whether more are
	// left. 0 empties the link.
	Relink func(ctx context.Context, s ring.Subject, to int64, limit int) (n int, more bool, err error)
}

// Mentions finds and removes what a person is recognised by in other people's words.
type Mentions struct {
	// Count counts the records that the person does not own and that hold one of the identifiers.
	Count func(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error)
	// Redact rewrites up to limit of them and says whether more are left.
	Redact func(ctx context.Context, s ring.Subject, ids mention.Identifiers, limit int) (n int, more bool, err error)
}

// Items finds and erases what hangs on one record.
type Items struct {
	// On are the names of the resources whose records these hang on, the
	// resource's own for the record itself; "tickets" for a reply.
	On []string
	// Count counts the person's records that hang on the item or are it, by a query of its own.
	Count func(ctx context.Context, s ring.Subject, item Item) (int64, error)
	// Erase deletes up to limit of them and says whether more are left. When it
	// has answered that none are, writes to the item are refused.
	Erase func(ctx context.Context, s ring.Subject, item Item, limit int) (n int, more bool, err error)
}

// Item names one record.
type Item struct {
	// Resource is the plural name of a resource, perhaps another service's.
	Resource string
	// ID is the record's id there.
	ID int64
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

// host is a server that can refuse people although their token is good, and learn
// what the errors of a store mean.
type host interface {
	Bar(b authn.Bar)
	Faults(from func(error) *fault.Error)
}

// Register adds the participant to a server, and has that refuse what people
// write under a token which was issued before their erasure: what an agent writes
// is the account's or somebody else's, so no fence on its owner would stop it.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	participantv1.RegisterPersonalDataServiceServer(r, s)
	if server, ok := r.(host); ok {
		server.Bar(s.erasingOrErased)
		server.Faults(storefault.From)
	}
}

// erasingOrErased reports whether an erasure of somebody has begun here.
func (s *Server) erasingOrErased(ctx context.Context, account, id int64) (bool, error) {
	entry, err := s.db.Entry(ctx, ring.Subject{Account: account, ID: id})
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return entry.Modes()&(ring.Erasing|ring.Erased) != 0, err
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
		for _, row := range r.categories() {
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

// categories are those of the message, and that under which the record itself
// is counted where no field has it: a key's record shows nothing of the key.
func (r Resource) categories() []categoryRow {
	rows := categoriesOf(r.Message.ProtoReflect().Descriptor())
	own := categoryRow{r.Category, optionsv1.EraseAction_ERASE_ACTION_DELETE_RECORD}
	if slices.ContainsFunc(rows, func(row categoryRow) bool { return row.category == r.Category }) {
		return rows
	}
	return append(rows, own)
}

// categoriesOf lists each category of a message once, in the order of its
// fields, those of messages in it included unless they are resources themselves.
func categoriesOf(d protoreflect.MessageDescriptor) []categoryRow {
	var rows []categoryRow
	seen := map[optionsv1.Category]bool{}
	visited := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		visited[d.FullName()] = true
		for i := range d.Fields().Len() {
			fd := d.Fields().Get(i)
			if c, p := categoryOf(fd); p != nil && !seen[c] {
				seen[c] = true
				rows = append(rows, categoryRow{c, p.GetOnErase()})
			}
			if inner := fd.Message(); inner != nil && !visited[inner.FullName()] && contract.Resource(inner) == nil {
				walk(inner)
			}
		}
	}
	walk(d)
	return rows
}

// categoryOf returns the category of a field and what it says; nil when it is not personal.
func categoryOf(fd protoreflect.FieldDescriptor) (optionsv1.Category, *optionsv1.Personal) {
	p := contract.Personal(fd)
	if p.GetRole() != optionsv1.Role_ROLE_UNSPECIFIED {
		return optionsv1.Category_CATEGORY_LINKS, p
	}
	return p.GetCategory(), p
}
