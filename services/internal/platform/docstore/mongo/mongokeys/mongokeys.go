// Package mongokeys keeps a service's keys in MongoDB, in a database of its own
// and better in a deployment of its own: fixed records, as in key files, each a
// key wrapped by its account's, that by the master key, which lies elsewhere.
// Every process of the service works on the same records.
//
// What is promised:
//   - A key that Fill returned has reached the journals of a majority.
//   - A key whose Destroy returned nil was replaced there by a record without a
//     key. Copies in the journal, in snapshots and in backups die with the master
//     key of their epoch (Rotate, then keyring.FinishRotation).
//   - A key in memory is answered only to who asks for it by its id, which the
//     ring gives to nobody any more once it is destroyed, and at most for CacheFor.
package mongokeys

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
)

// CacheFor is how long an unwrapped key stays in memory.
const CacheFor = 15 * time.Minute

const (
	// cached is how many keys stay in memory; one takes about a kilobyte.
	cached = 32 << 10
	// patience bounds a call that has no context of its own.
	patience = 10 * time.Second
)

// Options say where the keys lie.
type Options struct {
	// Client is connected; Keys does not close it.
	Client *driver.Client
	// Database is the keys' own.
	Database string
	// Service is bound into every record.
	Service string
	// Master holds the master keys.
	Master *keyring.Master
	// Installation is the id of the data these keys belong to.
	Installation [16]byte
	// MustExist refuses to begin with no keys: the data holds sealed documents already.
	MustExist bool
	// Standalone says that the server is no member of a replica set.
	Standalone bool
	// Settle waits until a write that was under way has landed or never will.
	Settle func(ctx context.Context) error
	// Now is the clock of the cache; time.Now when nil.
	Now func() time.Time
}

// Keys are the keys of a service. They are safe for concurrent use.
type Keys struct {
	o      Options
	vault  *keyring.Vault
	c      *driver.Collection
	strict *driver.Collection

	mu    sync.Mutex
	keys  map[keyring.KeyID]cachedKey
	wraps map[wrapPlace]*keyring.Key
}

type cachedKey struct {
	key           *keyring.Key
	account, slot int64
	until         time.Time
}

type wrapPlace struct {
	account int64
	epoch   uint32
}

// stored is a slot's document.
type stored struct {
	ID      string      `bson:"_id"`
	Slot    int64       `bson:"slot"`
	Account int64       `bson:"account"`
	Kid     bson.Binary `bson:"kid"`
	Epoch   int64       `bson:"epoch"`
	Living  bool        `bson:"living"`
	Record  bson.Binary `bson:"record"`
}

// wrapping is an account's document, one per epoch.
type wrapping struct {
	ID      string      `bson:"_id"`
	Account int64       `bson:"account"`
	Epoch   int64       `bson:"wrap_epoch"`
	Record  bson.Binary `bson:"record"`
}

// stamp is the document that says whose keys these are.
type stamp struct {
	ID           string      `bson:"_id"`
	Service      string      `bson:"service"`
	Installation bson.Binary `bson:"installation"`
	// Epoch is the epoch nothing living lies below; Floor the one nothing may be
	// filled below, higher while a rotation is under way.
	Epoch int64       `bson:"epoch_done"`
	Floor int64       `bson:"floor"`
	Check bson.Binary `bson:"check"`
}

const stampID = "stamp"

func slotID(slot int64) string { return "s:" + strconv.FormatInt(slot, 10) }

func wrapID(p wrapPlace) string {
	return "a:" + strconv.FormatInt(p.account, 10) + ":" + strconv.FormatUint(uint64(p.epoch), 10)
}

func is(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

// Open opens or makes the keys of a service. Errors are sentences for the operator.
func Open(ctx context.Context, o Options) (*Keys, error) {
	v, err := keyring.NewVault(o.Service, o.Master)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	journaled := true
	rc, strict := readconcern.Majority(), readconcern.Linearizable()
	if o.Standalone {
		rc, strict = readconcern.Local(), readconcern.Local()
	}
	db := o.Client.Database(o.Database, options.Database().SetReadConcern(rc).SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	k := &Keys{o: o, vault: v, c: db.Collection("keys"), strict: db.Collection("keys", options.Collection().SetReadConcern(strict)),
		keys: map[keyring.KeyID]cachedKey{}, wraps: map[wrapPlace]*keyring.Key{}}
	_, err = k.c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "living", Value: 1}, {Key: "epoch", Value: 1}, {Key: "slot", Value: 1}}})
	if err != nil {
		return nil, unanswered(err)
	}
	return k, k.begin(ctx)
}

// unanswered says what happened without what the server quotes.
func unanswered(err error) error {
	var se driver.ServerError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &se):
		return fmt.Errorf("the MongoDB of the keys answered with error %v", se.ErrorCodes())
	}
	return errors.New("the MongoDB of the keys did not answer")
}

// begin finds the stamp, or makes it where there are no keys yet.
func (k *Keys) begin(ctx context.Context) error {
	for {
		st, err := k.stamp(ctx)
		if errors.Is(err, driver.ErrNoDocuments) {
			if k.o.MustExist {
				return fmt.Errorf("the database %s holds no keys, but documents sealed with keys are there: --mongo-keys-uri names another deployment, or the keys are lost: restore them", k.o.Database)
			}
			if err = k.newStamp(ctx); driver.IsDuplicateKeyError(err) {
				continue // another process was faster
			}
			return unanswered(err)
		}
		if err != nil {
			return unanswered(err)
		}
		if st.Service != k.o.Service {
			return fmt.Errorf("the database %s holds the keys of %s, not of %s: name another one", k.o.Database, st.Service, k.o.Service)
		}
		var installation [16]byte
		copy(installation[:], st.Installation.Data)
		if err := k.vault.Fits(installation, uint32(st.Epoch), st.Check.Data); err != nil {
			return err
		}
		if installation != k.o.Installation {
			return fmt.Errorf("the database %s holds the keys of another installation's documents: --mongo-uri and --mongo-keys-uri do not belong together, or the documents were dropped: restore both, or drop both", k.o.Database)
		}
		return nil
	}
}

func (k *Keys) stamp(ctx context.Context) (st stamp, err error) {
	err = k.strict.FindOne(ctx, is(stampID)).Decode(&st)
	return st, err
}

func (k *Keys) newStamp(ctx context.Context) error {
	epoch := k.o.Master.Epoch()
	check, err := k.vault.Stamp(k.o.Installation, epoch)
	if err != nil {
		return err
	}
	_, err = k.c.InsertOne(ctx, stamp{ID: stampID, Service: k.o.Service, Installation: bson.Binary{Data: k.o.Installation[:]},
		Epoch: int64(epoch), Floor: int64(epoch), Check: bson.Binary{Data: check}})
	return err
}

// Close forgets the keys in memory.
func (k *Keys) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keys)
	clear(k.wraps)
	return nil
}

// Slots returns how many slots there are, filled or not, or 0 when nobody answers.
func (k *Keys) Slots() int64 {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	n, err := k.c.CountDocuments(ctx, bson.D{{Key: "slot", Value: bson.D{{Key: "$gte", Value: int64(0)}}}})
	if err != nil {
		return 0
	}
	return n
}

// wrap returns an account's wrapping key of an epoch, and makes it when it is missing and wanted.
func (k *Keys) wrap(ctx context.Context, p wrapPlace, make bool) (*keyring.Key, error) {
	k.mu.Lock()
	w := k.wraps[p]
	k.mu.Unlock()
	if w != nil {
		return w, nil
	}
	for {
		var st wrapping
		err := k.c.FindOne(ctx, is(wrapID(p))).Decode(&st)
		switch {
		case errors.Is(err, driver.ErrNoDocuments) && !make:
			return nil, keyring.ErrCorrupt
		case errors.Is(err, driver.ErrNoDocuments):
			fresh, record, err := k.vault.NewAccount(p.account, p.epoch)
			if err != nil {
				return nil, err
			}
			_, err = k.c.InsertOne(ctx, wrapping{ID: wrapID(p), Account: p.account, Epoch: int64(p.epoch), Record: bson.Binary{Data: record}})
			if driver.IsDuplicateKeyError(err) {
				continue
			}
			if err != nil {
				return nil, unanswered(err)
			}
			w = fresh
		case err != nil:
			return nil, unanswered(err)
		default:
			if w, err = k.vault.Account(p.account, st.Record.Data); err != nil {
				return nil, err
			}
		}
		k.mu.Lock()
		k.wraps[p] = w
		k.mu.Unlock()
		return w, nil
	}
}

// Key returns the key with this id from a slot, keyring.ErrGone when it holds
// another one or none, or the key is another account's.
func (k *Keys) Key(account, slot int64, id keyring.KeyID) (*keyring.Key, error) {
	k.mu.Lock()
	c, ok := k.keys[id]
	k.mu.Unlock()
	if ok && c.account == account && c.slot == slot && k.o.Now().Before(c.until) {
		return c.key, nil
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	key, err := k.fetch(ctx, account, slot, id)
	if errors.Is(err, keyring.ErrCorrupt) && k.o.Master.Reload() == nil {
		key, err = k.fetch(ctx, account, slot, id) // of an epoch that began after this process
	}
	if err != nil {
		k.drop(id)
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.keys) >= cached {
		for old := range k.keys {
			delete(k.keys, old)
			break
		}
	}
	k.keys[id] = cachedKey{key: key, account: account, slot: slot, until: k.o.Now().Add(CacheFor)}
	return key, nil
}

func (k *Keys) fetch(ctx context.Context, account, slot int64, id keyring.KeyID) (*keyring.Key, error) {
	var st stored
	err := k.c.FindOne(ctx, is(slotID(slot))).Decode(&st)
	if errors.Is(err, driver.ErrNoDocuments) {
		return nil, keyring.ErrGone
	}
	if err != nil {
		return nil, unanswered(err)
	}
	r, err := k.vault.Read(slot, st.Record.Data)
	if err != nil {
		return nil, err
	}
	if !r.Living || r.ID != id || r.Account != account {
		return nil, keyring.ErrGone
	}
	w, err := k.wrap(ctx, wrapPlace{account, r.Epoch}, false)
	if err != nil {
		return nil, err
	}
	return k.vault.Key(w, slot, st.Record.Data)
}

func (k *Keys) drop(id keyring.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, id)
}

// Destroy replaces the record of this key by one without a key, and does nothing
// when the slot holds another one.
func (k *Keys) Destroy(ctx context.Context, slot int64, id keyring.KeyID) error {
	_, err := k.c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: slotID(slot)}, {Key: "kid", Value: bson.Binary{Data: id[:]}}},
		stored{ID: slotID(slot), Slot: slot, Kid: bson.Binary{Data: []byte{}}, Record: bson.Binary{Data: k.vault.Void(slot)}})
	k.drop(id)
	return unanswered(err)
}
