package mongo

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// patrolPage is how many tombstones a step of the patrol looks after.
const patrolPage = 500

// Patrol looks after tombstones: whatever belongs to somebody who is erased
// arrived late, sealed with a key that is gone, and is deleted.
type Patrol struct {
	b *Backend
	// after is the _id of the last tombstone looked at.
	after string
}

// NewPatrol returns a patrol of the collections bound by then and later.
func (b *Backend) NewPatrol() *Patrol { return &Patrol{b: b} }

// Step looks after the next tombstones and returns how many stragglers it deleted,
// documents and claims, and whether it has come round. It also says that this
// process lives, and frees slots whose key is destroyed.
func (p *Patrol) Step(ctx context.Context) (stragglers int64, round bool, err error) {
	if err := p.b.Beat(ctx); err != nil {
		return 0, false, err
	}
	people, last, err := p.b.tombstones(ctx, p.after)
	if err != nil {
		return 0, false, err
	}
	for account, subjects := range people {
		n, err := p.b.clear(ctx, account, subjects)
		stragglers += n
		if err != nil {
			return stragglers, false, err
		}
	}
	p.after = last
	return stragglers, last == "", nil
}

// tombstones lists the next people whose erasure is complete: the key is
// destroyed and the last fence of the saga stands, so all sweeps have ended.
func (b *Backend) tombstones(ctx context.Context, after string) (people map[int64][]int64, last string, err error) {
	ended := combinations(func(m ring.Mode) bool { return m.Has(docstore.Gone | ring.Erased) })
	filter := bson.D{{Key: "modes", Value: bson.D{{Key: "$in", Value: ended}}}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}
	raws, err := all(ctx, b.ring, filter, options.Find().SetSort(keys("_id")).SetLimit(patrolPage).
		SetProjection(bson.D{{Key: "account", Value: 1}, {Key: "subject", Value: 1}}))
	if err != nil {
		return nil, "", err
	}
	people = map[int64][]int64{}
	for _, raw := range raws {
		account := intOf(raw, "account")
		people[account] = append(people[account], intOf(raw, "subject"))
		if len(raws) == patrolPage {
			last, _ = raw.Lookup("_id").StringValueOK()
		}
	}
	return people, last, nil
}

// clear deletes what belongs to people of an account who are erased.
func (b *Backend) clear(ctx context.Context, account int64, subjects []int64) (n int64, err error) {
	b.mu.RLock()
	tables := slices.Collect(maps.Values(b.bound))
	b.mu.RUnlock()
	in := bson.D{{Key: "$in", Value: subjects}}
	for _, t := range tables {
		r, err := t.c.DeleteMany(ctx, bson.D{{Key: "account", Value: account}, {Key: "owner", Value: in}})
		if err != nil {
			return n, failure(ctx, err)
		}
		n += r.DeletedCount
	}
	r, err := b.claims.DeleteMany(ctx, bson.D{{Key: "account", Value: account}, {Key: "subject", Value: in}})
	if err != nil {
		return n, failure(ctx, err)
	}
	_, err = b.slots.UpdateMany(ctx, bson.D{{Key: "account", Value: account}, {Key: "state", Value: slotGiven}, {Key: "subject", Value: in}}, voided)
	return n + r.DeletedCount, failure(ctx, err)
}
