package rpc

import (
	"context"
	"strconv"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/mention"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/ratings/internal/app"
)

// exportPage is how many records one read of an export takes.
const exportPage = 100

// Resources are what the service owns by person.
func Resources(a *app.App) []participant.Resource {
	return []participant.Resource{{
		Message: &ratingsv1.SatisfactionRating{}, Category: optionsv1.Category_CATEGORY_OPINION,
		Count: a.Ratings.CountOwned, Sweep: a.Ratings.SweepOwned,
		Export: func(ctx context.Context, s ring.Subject, after string, emit participant.Emit) error {
			return export(ctx, a.Ratings, s, after, emit)
		},
		// The agent in charge is named by ratings of others.
		Links: &participant.Links{Count: a.Ratings.CountLinked, Relink: a.Ratings.Relink},
		Mentions: &participant.Mentions{
			Count: a.Ratings.CountMentions,
			// The store goes page by page itself, so one call rewrites all there are.
			Redact: func(ctx context.Context, s ring.Subject, ids mention.Identifiers, _ int) (int, bool, error) {
				n, err := a.Ratings.RedactMentions(ctx, s, ids)
				return int(n), false, err
			},
		},
		// Ratings go with their ticket.
		Items: &participant.Items{
			On: []string{"tickets"},
			Count: func(ctx context.Context, s ring.Subject, item participant.Item) (int64, error) {
				return a.Ratings.CountOfTicket(ctx, s, item.ID)
			},
			Erase: func(ctx context.Context, s ring.Subject, item participant.Item, limit int) (int, bool, error) {
				return a.EraseOfTicket(ctx, s, item.ID, limit)
			},
		},
	}}
}

// export walks a person's ratings in id order; the cursor is the id.
func export(ctx context.Context, t app.Ratings, s ring.Subject, after string, emit participant.Emit) error {
	var last int64
	if after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 0 {
			return fault.InvalidValue("cursor", "It should be a cursor of this participant")
		}
		last = n
	}
	for {
		page, err := t.ExportOwned(ctx, s, last, exportPage)
		if err != nil {
			return err
		}
		for _, v := range page {
			last = v.ID
			if err := emit(strconv.FormatInt(last, 10), showRating(v)); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return nil
		}
	}
}
