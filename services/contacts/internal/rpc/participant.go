package rpc

import (
	"context"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/protobuf/proto"
)

// Holdings is what the participant contract needs of the store.
type Holdings interface {
	CountPeople(ctx context.Context, of ring.Subject, kind person.Kind) (int64, error)
	SweepPeople(ctx context.Context, of ring.Subject, kind person.Kind, limit int) (n int, more bool, err error)
	ExportPeople(ctx context.Context, of ring.Subject, kind person.Kind, after string, emit func(cursor string, p *person.Person) error) error
	CountMentions(ctx context.Context, of ring.Subject, kind person.Kind, ids mention.Identifiers) (int64, error)
	RedactMentions(ctx context.Context, of ring.Subject, kind person.Kind, ids mention.Identifiers) (int64, error)
	CountKeys(ctx context.Context, of ring.Subject) (int64, error)
	SweepKeys(ctx context.Context, of ring.Subject, limit int) (n int, more bool, err error)
	ExportKeys(ctx context.Context, of ring.Subject, after string, emit func(cursor string, k person.Key) error) error
}

// Resources lists what this service owns by person. Keys come first, so that
// what lets an agent in goes before the agent's record.
func Resources(h Holdings) []participant.Resource {
	return []participant.Resource{
		{
			Message: &contactsv1.ApiKey{}, Category: optionsv1.Category_CATEGORY_CREDENTIALS,
			Count: h.CountKeys, Sweep: h.SweepKeys,
			Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
				return h.ExportKeys(ctx, s, after, func(cursor string, k person.Key) error { return emit(cursor, apiKey(k)) })
			},
		},
		people(h, person.Contact, &contactsv1.Contact{}, func(p *person.Person) proto.Message { return contact(p) }),
		people(h, person.Agent, &contactsv1.Agent{}, func(p *person.Person) proto.Message { return agent(p) }),
	}
}

func people(h Holdings, kind person.Kind, message proto.Message, write func(*person.Person) proto.Message) participant.Resource {
	return participant.Resource{
		Message: message, Category: optionsv1.Category_CATEGORY_IDENTITY,
		Count: func(ctx context.Context, s ring.Subject) (int64, error) { return h.CountPeople(ctx, s, kind) },
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			return h.SweepPeople(ctx, s, kind, limit)
		},
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			return h.ExportPeople(ctx, s, kind, after, func(cursor string, p *person.Person) error { return emit(cursor, write(p)) })
		},
		Mentions: &participant.Mentions{
			Count: func(ctx context.Context, s ring.Subject, ids mention.Identifiers) (int64, error) {
				return h.CountMentions(ctx, s, kind, ids)
			},
			// The store goes page by page itself, so one call rewrites all there are.
			Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, _ int) (int, bool, error) {
				n, err := h.RedactMentions(ctx, s, kind, ids)
				return int(n), false, err
			},
		},
	}
}
