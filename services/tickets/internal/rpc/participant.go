package rpc

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
)

// exportPage is how many records one read of an export takes.
const exportPage = 100

// Resources are what the service owns by person, the bytes of attachments first: a
// sweep needs their names from the documents.
func Resources(a *app.App, now func() time.Time) []participant.Resource {
	content, activity := optionsv1.Category_CATEGORY_CONTENT, optionsv1.Category_CATEGORY_ACTIVITY
	return []participant.Resource{
		attachmentResource(a),
		resource(a, &ticketsv1.Ticket{}, content, a.Tickets, func(ctx context.Context, t *ticket.Ticket) (proto.Message, error) {
			v := &app.TicketView{Ticket: t, Includes: ticket.Includes{"stats": true}}
			var err error
			if t.HasFiles {
				v.Files, err = a.Attachments.OfConversation(ctx, ring.Export, t.Account, t.ID, 0)
			}
			return showWhole(v, now()), err
		}),
		resource(a, &ticketsv1.Conversation{}, content, a.Conversations, func(ctx context.Context, c *ticket.Conversation) (proto.Message, error) {
			v := &app.ConversationView{Conversation: c}
			var err error
			if c.HasFiles {
				v.Files, err = a.Attachments.OfConversation(ctx, ring.Export, c.Account, c.TicketID, c.ID)
			}
			return showConversation(v), err
		}),
		resource(a, &ticketsv1.Thread{}, content, a.Threads, plain(showThread)),
		resource(a, &ticketsv1.ThreadMessage{}, content, a.Messages, plain(showMessage)),
		resource(a, &ticketsv1.Call{}, activity, a.Calls, plain(showCall)),
		resource(a, &ticketsv1.Chat{}, content, a.Chats, plain(showChat)),
	}
}

// plain is for records that need nothing else to be shown.
func plain[T any, M proto.Message](show func(*T) M) func(context.Context, *T) (proto.Message, error) {
	return func(_ context.Context, v *T) (proto.Message, error) { return show(v), nil }
}

// based gives the record inside a value.
type based interface{ Base() *ticket.Record }

// onTickets is where everything of this service hangs.
var onTickets = []string{"tickets"}

// mentions are other people's words in a table.
func mentions(t app.Linked) *participant.Mentions {
	return &participant.Mentions{
		Count: t.CountMentions,
		// The store goes page by page itself, so one call rewrites all there are.
		Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, _ int) (int, bool, error) {
			n, err := t.RedactMentions(ctx, s, ids)
			return int(n), false, err
		},
	}
}

// items are the records of a table that hang on one ticket, or the ticket itself.
func items(a *app.App, count func(context.Context, ring.Subject, int64) (int64, error),
	erase func(context.Context, ring.Subject, int64, int) (int, bool, error)) *participant.Items {
	return &participant.Items{
		On: onTickets,
		Count: func(ctx context.Context, s ring.Subject, i participant.Item) (int64, error) {
			return count(ctx, s, i.ID)
		},
		Erase: func(ctx context.Context, s ring.Subject, i participant.Item, limit int) (int, bool, error) {
			if err := a.CloseTicket(ctx, s, i.ID); err != nil {
				return 0, false, err
			}
			return erase(ctx, s, i.ID, limit)
		},
	}
}

func resource[T any](a *app.App, m proto.Message, c optionsv1.Category, t app.Table[T], show func(context.Context, *T) (proto.Message, error)) participant.Resource {
	return participant.Resource{
		Message: m, Category: c, Count: t.CountOwned, Sweep: t.SweepOwned,
		Mentions: mentions(t), Items: items(a, t.CountItem, t.EraseItem), Links: &participant.Links{Count: t.CountLinked, Relink: t.Relink},
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			return export(ctx, s, after, t, func(cursor string, v *T) error {
				record, err := show(ctx, v)
				if err != nil {
					return err
				}
				return emit(cursor, record)
			})
		},
	}
}

// export walks a person's values in id order; the cursor is the id.
func export[T any](ctx context.Context, s ring.Subject, after string, t app.Owned[T], each func(cursor string, v *T) error) error {
	var last int64
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 0 {
			return fault.InvalidValue("cursor", "It should be a cursor of this participant")
		}
		last = n
	}
	for {
		values, err := t.ExportOwned(ctx, s, last, exportPage)
		if err != nil {
			return err
		}
		for _, v := range values {
			last = any(v).(based).Base().ID
			if err := each(strconv.FormatInt(last, 10), v); err != nil {
				return err
			}
		}
		if len(values) < exportPage {
			return nil
		}
	}
}

// stagedMark begins the cursors of staged files, which come behind those on tickets.
const stagedMark = "s"

// attachmentResource owns a person's files, those on tickets and those staged for one.
func attachmentResource(a *app.App) participant.Resource {
	return participant.Resource{
		Message: &ticketsv1.Attachment{}, Category: optionsv1.Category_CATEGORY_FILES,
		Count: a.CountFiles, Sweep: a.SweepFiles,
		Mentions: mentions(a.Attachments), Items: items(a, a.Attachments.CountItem, a.EraseFiles),
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			each := func(cursor string, f *ticket.Attachment) error {
				id := strconv.FormatInt(f.ID, 10)
				return emit(cursor, showFile(f), participant.File{
					ID: id, RecordID: id, Name: f.Name, ContentType: f.ContentType, Size: f.Size,
					Open: func(ctx context.Context) (io.ReadCloser, error) { return a.Files.Open(ctx, f.Blob, f.Key) },
				})
			}
			staged, behind := strings.CutPrefix(after, stagedMark)
			if !behind {
				staged = ""
				if err := export(ctx, s, after, a.Attachments, each); err != nil {
					return err
				}
			}
			return export(ctx, s, staged, a.Staged, func(cursor string, f *ticket.Attachment) error { return each(stagedMark+cursor, f) })
		},
	}
}
