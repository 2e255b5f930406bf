package participanttest

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// What the mini holds of people.

func (m *mini) resources() []participant.Resource {
	chats := held(m.chats, &ticketsv1.Chat{}, func(d *chatDoc) proto.Message { return showChat(d) })
	chats.Links = relinked(m, m.chats, func(d *chatDoc) *int64 { return &d.AgentID })
	chats.Items = hanging(m, m.chats, func(i participant.Item) docstore.Query { return docstore.Query{Index: "call", Eq: []any{i.ID}} })
	calls := held(m.calls, &ticketsv1.Call{}, func(d *callDoc) proto.Message { return showCall(d) })
	calls.Links = relinked(m, m.calls, func(d *callDoc) *int64 { return &d.AgentID })
	calls.Mentions = &participant.Mentions{Count: m.countMentions, Redact: m.redact}
	calls.Items = hanging(m, m.calls, func(i participant.Item) docstore.Query { return docstore.Query{Index: "id", Eq: []any{i.ID}} })
	// A call goes before the chats on it, so that none can be hung on it any more.
	return []participant.Resource{calls, chats}
}

func metaOfDoc(d any) *docstore.Meta {
	switch d := d.(type) {
	case *callDoc:
		return &d.Meta
	case *chatDoc:
		return &d.Meta
	}
	return nil
}

func byOwner(s ring.Subject, limit int) docstore.Query {
	return docstore.Query{Index: "owner", Eq: []any{s.ID}, Limit: limit}
}

func held[T any](c *docstore.Collection[T], m proto.Message, show func(*T) proto.Message) participant.Resource {
	return participant.Resource{
		Message: m, Category: optionsv1.Category_CATEGORY_CONTENT,
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			return c.Count(ctx, ring.Sweep, s.Account, byOwner(s, 1))
		},
		Sweep: func(ctx context.Context, s ring.Subject, limit int) (int, bool, error) {
			return c.DeleteWhere(ctx, ring.Sweep, s.Account, byOwner(s, limit))
		},
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			last, err := strconv.ParseInt("0"+after, 10, 64)
			if err != nil {
				return docstore.ErrCursor
			}
			q := byOwner(s, 2)
			for {
				q.Where = docstore.Cond{Op: ">", Field: "id", Value: last}
				page, err := c.Find(ctx, ring.Export, s.Account, q)
				if err != nil || len(page.Items) == 0 {
					return err
				}
				for _, d := range page.Items {
					last = metaOfDoc(d).ID
					if err := emit(strconv.FormatInt(last, 10), show(d)); err != nil {
						return err
					}
				}
			}
		},
	}
}

func relinked[T any](m *mini, c *docstore.Collection[T], link func(*T) *int64) *participant.Links {
	by := func(s ring.Subject, limit int) docstore.Query {
		return docstore.Query{Index: "agent", Eq: []any{s.ID}, Limit: limit}
	}
	return &participant.Links{
		Count: func(ctx context.Context, s ring.Subject) (int64, error) {
			return c.Count(ctx, ring.Sweep, s.Account, by(s, 1))
		},
		Relink: func(ctx context.Context, s ring.Subject, to int64, limit int) (int, bool, error) {
			page, err := c.Find(ctx, ring.Sweep, s.Account, by(s, limit))
			for i, d := range page.Items {
				if m.bad == "keeps links" {
					continue
				}
				*link(d) = to
				if err := c.Update(ctx, ring.Sweep, d); err != nil {
					return i, true, err
				}
			}
			return len(page.Items), page.Next != "", err
		},
	}
}

func hanging[T any](m *mini, c *docstore.Collection[T], on func(participant.Item) docstore.Query) *participant.Items {
	return &participant.Items{
		On: []string{"calls"},
		Count: func(ctx context.Context, s ring.Subject, i participant.Item) (int64, error) {
			q := on(i)
			q.Limit = 1
			return c.Count(ctx, ring.Sweep, s.Account, q)
		},
		Erase: func(ctx context.Context, s ring.Subject, i participant.Item, limit int) (int, bool, error) {
			q := on(i)
			if m.bad == "erases too many" {
				q = byOwner(s, limit)
			}
			q.Limit = limit
			return c.DeleteWhere(ctx, ring.Sweep, s.Account, q)
		},
	}
}

// mentioning walks the account's calls; a real service has an index for that.
func (m *mini) mentioning(ctx context.Context, s ring.Subject, who mention.Identifiers, each func(*callDoc, string) error) (int64, error) {
	page, err := m.calls.Find(ctx, ring.Redact, s.Account, docstore.Query{Index: "id", Limit: docstore.MaxLimit})
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for _, d := range page.Items {
		text, found := mention.Redact(d.Notes, who, false)
		if d.Owner == s.ID || found == 0 {
			continue
		}
		n++
		if err := each(d, text); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (m *mini) countMentions(ctx context.Context, s ring.Subject, who mention.Identifiers) (int64, error) {
	return m.mentioning(ctx, s, who, func(*callDoc, string) error { return nil })
}

func (m *mini) redact(ctx context.Context, s ring.Subject, who mention.Identifiers, _ int) (int, bool, error) {
	n, err := m.mentioning(ctx, s, who, func(d *callDoc, text string) error {
		if d.Notes = text; m.bad == "redacts too much" {
			d.Notes = mention.Mark
		}
		return m.calls.Update(ctx, ring.Redact, d)
	})
	if errors.Is(err, docstore.ErrFenced) {
		err = nil
	}
	return int(n), false, err
}
