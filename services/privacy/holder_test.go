package privacy

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// plain is what a record says when nobody cares.
const plain = "=text of a person"

// put stores a record in account 1.
func (h *holder) put(t *testing.T, r record) {
	t.Helper()
	r.Account, r.CreatedAt, r.UpdatedAt = 1, time.Now(), time.Now()
	if r.Text == "" {
		r.Text = plain
	}
	check(t, h.records.Insert(t.Context(), ring.Write, &r))
}

// get reads a record that has to be there.
func (h *holder) get(t *testing.T, id int64) *record {
	t.Helper()
	doc, err := h.records.Get(t.Context(), ring.Read, 1, id)
	check(t, err)
	return doc
}

// gone checks that a record is nowhere, behind no fence either.
func (h *holder) gone(t *testing.T, id int64) {
	t.Helper()
	if _, err := h.records.Get(t.Context(), ring.Sweep, 1, id); !errors.Is(err, docstore.ErrNotFound) {
		t.Errorf("%s: record %d: %v", h.name, id, err)
	}
}

// address is by what a person is found in other people's words.
func address(id int64) string { return "p" + strconv.FormatInt(id, 10) + "@example.org" }

// GetIdentifiers says who somebody is until the key is gone.
func (h *holder) GetIdentifiers(ctx context.Context, in *contactsv1.GetIdentifiersRequest) (*contactsv1.GetIdentifiersResponse, error) {
	if err := h.hook(ctx, "identifiers"); err != nil {
		return nil, err
	}
	_, err := h.records.Get(ctx, ring.Redact, authn.Caller(ctx).Account, in.GetId())
	if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) {
		return nil, fault.NotFound("person", in.GetId())
	}
	kind := participantv1.SubjectKind_SUBJECT_KIND_CONTACT
	if _, agent := h.roles.Load(in.GetId()); agent {
		kind = participantv1.SubjectKind_SUBJECT_KIND_AGENT
	}
	return &contactsv1.GetIdentifiersResponse{Kind: kind.Enum(), Identifiers: &participantv1.Identifiers{Emails: []string{address(in.GetId())}}}, err
}

// ListAgents lists those whom no fence hides, one to a page.
func (h *holder) ListAgents(ctx context.Context, in *contactsv1.ListAgentsRequest) (*contactsv1.ListAgentsResponse, error) {
	var all []*contactsv1.Agent
	h.roles.Range(func(id, roles any) bool {
		if _, err := h.records.Get(ctx, ring.Read, authn.Caller(ctx).Account, id.(int64)); err == nil {
			all = append(all, &contactsv1.Agent{Id: proto.Int64(id.(int64)), RoleIds: roles.([]int64)})
		}
		return true
	})
	slices.SortFunc(all, func(a, b *contactsv1.Agent) int { return int(a.GetId() - b.GetId()) })
	from, to := min(int(in.GetPage())-1, len(all)), min(int(in.GetPage()), len(all))
	return &contactsv1.ListAgentsResponse{Agents: all[from:to], More: proto.Bool(to < len(all))}, nil
}

// GetTicket shows whose a ticket is.
func (h *holder) GetTicket(ctx context.Context, in *ticketsv1.GetTicketRequest) (*ticketsv1.GetTicketResponse, error) {
	doc, err := h.records.Get(ctx, ring.Read, authn.Caller(ctx).Account, in.GetId())
	if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) {
		return nil, fault.NotFound("ticket", in.GetId())
	}
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetTicketResponse{Ticket: &ticketsv1.Ticket{Id: &doc.ID, RequesterId: &doc.Owner}}, nil
}

func (h *holder) CountHoldings(ctx context.Context, in *participantv1.CountHoldingsRequest) (*participantv1.CountHoldingsResponse, error) {
	if err := h.hook(ctx, "count"); err != nil {
		return nil, err
	}
	return h.PersonalDataServiceServer.CountHoldings(ctx, in)
}

func (h *holder) Redact(in *participantv1.RedactRequest, stream grpc.ServerStreamingServer[participantv1.RedactResponse]) error {
	if err := h.hook(stream.Context(), "redact"); err != nil {
		return err
	}
	return h.PersonalDataServiceServer.Redact(in, stream)
}

func (h *holder) EraseItem(in *participantv1.EraseItemRequest, stream grpc.ServerStreamingServer[participantv1.EraseItemResponse]) error {
	if err := h.hook(stream.Context(), "item"); err != nil {
		return err
	}
	return h.PersonalDataServiceServer.EraseItem(in, stream)
}

// resourceName is the plural name of what the holder keeps.
func (h *holder) resourceName() string {
	return map[string]string{"contacts": "contacts", "tickets": "tickets", "forums": "topics", "ratings": "satisfaction_ratings"}[h.name]
}

func owned(s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
}

func (h *holder) resource(m proto.Message, c optionsv1.Category) participant.Resource {
	return participant.Resource{
		Message: m, Category: c, Links: h.links(), Mentions: h.mentions(), Items: h.items(),
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			return h.records.Count(ctx, ring.Sweep, s.Account, owned(s, 1))
		},
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			return h.records.DeleteWhere(ctx, ring.Sweep, s.Account, owned(s, limit))
		},
		Export: func(ctx context.Context, s ring.Subject, _ string, emit participant.Emit) error {
			page, err := h.records.Find(ctx, ring.Export, s.Account, owned(s, docstore.MaxLimit))
			for _, doc := range page.Items {
				if err := emit(strconv.FormatInt(doc.ID, 10), show(m, doc)); err != nil {
					return err
				}
			}
			return err
		},
	}
}

func show(m proto.Message, doc *record) proto.Message {
	switch m.(type) {
	case *contactsv1.Contact:
		return &contactsv1.Contact{Id: &doc.ID, Name: &doc.Text}
	case *forumsv1.Topic:
		return &forumsv1.Topic{Id: &doc.ID, Title: &doc.Text}
	case *ratingsv1.SatisfactionRating:
		return &ratingsv1.SatisfactionRating{Id: &doc.ID, Feedback: &doc.Text}
	}
	return &ticketsv1.Ticket{Id: &doc.ID, Subject: &doc.Text}
}

// others are the records of others that pass a test.
func (h *holder) others(ctx context.Context, s ring.Subject, test func(*record) bool) ([]*record, error) {
	page, err := h.records.Find(ctx, ring.Redact, s.Account, docstore.Query{Index: "id", Limit: docstore.MaxLimit})
	return slices.DeleteFunc(page.Items, func(r *record) bool { return r.Owner == s.ID || !test(r) }), err
}

// rewrite changes records of others.
func (h *holder) rewrite(ctx context.Context, s ring.Subject, test func(*record) bool, change func(*record)) (int, bool, error) {
	docs, err := h.others(ctx, s, test)
	if err != nil || h.mute.Load() {
		return 0, false, err
	}
	for _, doc := range docs {
		change(doc)
		if err := h.records.Update(ctx, ring.Write, doc); err != nil {
			return 0, true, err
		}
	}
	return len(docs), false, nil
}

func (h *holder) links() *participant.Links {
	by := func(s ring.Subject) func(*record) bool { return func(r *record) bool { return r.Author == s.ID } }
	return &participant.Links{
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			docs, err := h.others(ctx, s, by(s))
			return int64(len(docs)), err
		},
		Relink: func(ctx context.Context, s ring.Subject, to int64, _ int) (int, bool, error) {
			return h.rewrite(ctx, s, by(s), func(r *record) { r.Author = to })
		},
	}
}

func (h *holder) mentions() *participant.Mentions {
	of := func(ids mention.Identifiers) func(*record) bool {
		return func(r *record) bool {
			return slices.ContainsFunc(ids.Emails, func(e string) bool { return strings.Contains(r.Text, e) })
		}
	}
	return &participant.Mentions{
		Count: func(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
			docs, err := h.others(ctx, s, of(ids))
			return int64(len(docs)), err
		},
		Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, _ int) (int, bool, error) {
			return h.rewrite(ctx, s, of(ids), func(r *record) {
				for _, e := range ids.Emails {
					r.Text = strings.ReplaceAll(r.Text, e, "[redacted]")
				}
			})
		},
	}
}

// items are tickets, and the ratings that hang on them.
func (h *holder) items() *participant.Items {
	if h.name != "tickets" && h.name != "ratings" {
		return nil
	}
	q := func(i participant.Item, limit int) docstore.Query {
		if h.name == "tickets" {
			return docstore.Query{Index: "id", From: i.ID, To: i.ID + 1, Limit: limit}
		}
		return docstore.Query{Index: "on", Eq: []any{i.ID}, Limit: limit}
	}
	return &participant.Items{
		On: []string{"tickets"},
		Count: func(ctx context.Context, s ring.Subject, i participant.Item) (int64, error) {
			return h.records.Count(ctx, ring.Sweep, s.Account, q(i, 1))
		},
		Erase: func(ctx context.Context, s ring.Subject, i participant.Item, limit int) (int, bool, error) {
			if h.mute.Load() {
				return 0, false, nil
			}
			return h.records.DeleteWhere(ctx, ring.Sweep, s.Account, q(i, limit))
		},
	}
}
