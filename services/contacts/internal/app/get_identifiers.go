package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// GetIdentifiers reads a person in order to find them in other people's words:
// behind every fence, until the key is destroyed. Then nobody is found.
func (a *App) GetIdentifiers(ctx context.Context, account, id int64) (*person.Person, error) {
	p, err := a.store.Person(ctx, ring.Redact, account, id)
	return p, storeFault(err, "person", id)
}
