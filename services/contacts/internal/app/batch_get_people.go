package app

import (
	"context"

	"github.com/lethe-desk/lethe/services/contacts/internal/person"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// BatchGetPeople reads those of the ids who are there and carry no fence.
func (a *App) BatchGetPeople(ctx context.Context, account int64, ids []int64) ([]*person.Person, error) {
	if len(ids) > MaxBatch {
		return nil, fault.InvalidValue("ids", "There should be at most 1000")
	}
	people, err := a.store.People(ctx, ring.Read, account, ids)
	return people, storeFault(err, "people", 0)
}
