// Package idem lets a client repeat a creating call without making a thing
// twice. The client sends a key of its own; the first call under it draws the
// id of what it makes, remembers both, makes it and notes that it is done. A
// repeat finds the record and answers with the same thing; after a crash
// between the writes it finishes the work under the same id.
//
// The key names a request, never a person, and its record outlives an erasure:
// when what the first call made is gone or withheld, a repeat is refused with
// ALREADY_DONE and adds nothing, so importing a file again brings nobody back.
//
// A record belongs to the account. It keeps the hash of the key, the id of the
// thing, whether it is done, a random mark, and the hash of the body sealed with
// the account's key. While the work is pending it also keeps the owner's id, to
// see whether the owner has been erased meanwhile; that goes when it is done.
package idem

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/header"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Collection is the name of the records' collection.
const Collection = "idempotency"

// MaxKey is the longest key in bytes.
const MaxKey = 255

// redraws bounds how often an id that is taken is drawn again.
const redraws = 16

// record is one key and what became of it.
type record struct {
	docstore.Meta
	Hash   string `doc:"hash" why:"hash of method and key; the key names a request, never a person"`
	Method string `doc:"method" why:"name of the method, for the operator"`
	Target int64  `doc:"target" why:"id of what the call makes, drawn before it is written"`
	Mark   string `doc:"mark" why:"random; stands in what the call made too, so that it is recognised"`
	// Subject is the owner while pending.
	Subject int64  `doc:"subject" why:"opaque id of the owner while the work is pending, 0 afterwards"`
	Done    bool   `doc:"done" why:"whether the work is finished"`
	Body    []byte `doc:"body,seal" why:"hash of the request, to refuse a different one under the same key"`
}

// Keys holds the records of a service. It is safe for concurrent use.
type Keys struct {
	db   *docstore.DB
	recs *docstore.Collection[record]
	now  func() time.Time
}

// Bind declares the collection in the service's store. Now is the clock.
func Bind(ctx context.Context, db *docstore.DB, now func() time.Time) (*Keys, error) {
	recs, err := docstore.Bind[record](ctx, db, docstore.Spec{
		Name:    Collection,
		Indexes: []docstore.Index{{Name: "hash", Fields: []string{"hash"}, Unique: true}},
	})
	if err != nil {
		return nil, err
	}
	return &Keys{db: db, recs: recs, now: now}, nil
}

// Call is a client's creating call.
type Call struct {
	// Account is the caller's.
	Account int64
	// Method keeps keys of different methods apart.
	Method string
	// Key is the client's; "" means that the call is made once and not remembered.
	Key string
	// Body is the request's hash, from Body.
	Body []byte
}

// Body returns the hash of a request. Leave out what differs between repeats of
// the same call, such as the ids of uploads.
func Body(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("hash a request: %w", err)
	}
	h := sha256.Sum256(b)
	return h[:], nil
}

// Slot is where a call puts what it makes.
type Slot struct {
	// ID is what the thing is to be called.
	ID int64
	// Mark is to be stored with the thing in a clear field, and returned by Work.Mark;
	// "" without a key. Two calls may draw one id: the mark tells whose the thing is.
	Mark string
	// Resumed says that an earlier call under the key may have done a part already.
	Resumed bool
}

// Work is how a call makes a T. Errors of its functions are returned as they are,
// but for docstore.ErrExists out of Create.
type Work[T any] struct {
	// Owner checks the request and finds whose data it is going to be. It runs for
	// new calls only, before anything is remembered. nil: the thing owns itself.
	Owner func(ctx context.Context) (int64, error)
	// NewID draws an id.
	NewID func(ctx context.Context) (int64, error)
	// Create writes the thing; docstore.ErrExists when the id is taken. Owner has
	// not run when the slot is resumed, so Create must not count on it.
	Create func(ctx context.Context, s Slot) (T, error)
	// Mark reads the mark of a thing, whatever fences stand. docstore.ErrNotFound.
	Mark func(ctx context.Context, id int64) (string, error)
	// Read reads a thing as the call answers it.
	Read func(ctx context.Context, id int64) (T, error)
	// Complete does what follows once the thing is written. It must bear being repeated. May be nil.
	Complete func(ctx context.Context, v T) (T, error)
}

// Do makes a T once per key. Besides what w returns it answers with faults: a bad
// key (INVALID_VALUE), a key used for another body (KEY_REUSED), a call whose
// result is gone or withheld (ALREADY_DONE, with the id).
func Do[T any](ctx context.Context, k *Keys, c Call, w Work[T]) (T, error) {
	var zero T
	if len(c.Key) > MaxKey {
		return zero, fault.InvalidValue("idempotency_key", "It should have at most 255 characters")
	}
	if c.Key == "" {
		return once(ctx, w)
	}
	rec, err := k.find(ctx, c)
	resumed := err == nil
	if errors.Is(err, docstore.ErrNotFound) {
		rec, resumed, err = start(ctx, k, c, w)
	}
	switch {
	case err != nil:
		return zero, err
	case rec.Done:
		return again(ctx, w, rec.Target)
	}
	return run(ctx, k, rec, resumed, w)
}

// once makes a thing that nobody remembers.
func once[T any](ctx context.Context, w Work[T]) (T, error) {
	var zero T
	if w.Owner != nil {
		if _, err := w.Owner(ctx); err != nil {
			return zero, err
		}
	}
	for range redraws {
		id, err := w.NewID(ctx)
		if err != nil {
			return zero, err
		}
		v, err := w.Create(ctx, Slot{ID: id})
		if errors.Is(err, docstore.ErrExists) {
			continue
		}
		if err != nil {
			return zero, err
		}
		return complete(ctx, w, v)
	}
	return zero, fault.Unavailable(errors.New("no free id could be drawn"))
}

// start remembers a new call. When another one was faster that one's record
// comes back, and true.
func start[T any](ctx context.Context, k *Keys, c Call, w Work[T]) (rec *record, resumed bool, err error) {
	var owner int64
	if w.Owner != nil {
		if owner, err = w.Owner(ctx); err != nil {
			return nil, false, err
		}
	}
	target, err := w.NewID(ctx)
	if err != nil {
		return nil, false, err
	}
	if w.Owner == nil {
		owner = target
	}
	for range redraws {
		now := k.now()
		rec = &record{
			Meta: docstore.Meta{Account: c.Account, ID: ids.New(k.now), CreatedAt: now, UpdatedAt: now},
			Hash: hash(c), Method: c.Method, Target: target, Mark: rand.Text(), Subject: owner, Body: c.Body,
		}
		err := k.recs.Insert(ctx, ring.Write, rec)
		if !errors.Is(err, docstore.ErrExists) {
			return rec, false, err
		}
		// either the key or the record's own id is taken
		if rec, err = k.find(ctx, c); !errors.Is(err, docstore.ErrNotFound) {
			return rec, true, err
		}
	}
	return nil, false, fault.Unavailable(errors.New("no free id could be drawn"))
}

// run makes what a record that is not done promises.
func run[T any](ctx context.Context, k *Keys, rec *record, resumed bool, w Work[T]) (T, error) {
	var zero T
	if dead, err := k.dead(ctx, rec); err != nil || dead {
		if err == nil {
			err = AlreadyDone(rec.Target)
		}
		return zero, err
	}
	for range redraws {
		v, err := w.Create(ctx, Slot{ID: rec.Target, Mark: rec.Mark, Resumed: resumed})
		if errors.Is(err, docstore.ErrExists) {
			mark, merr := w.Mark(ctx, rec.Target)
			if merr == nil && mark != rec.Mark {
				if err := retarget(ctx, k, rec, w); err != nil {
					return zero, err
				}
				continue
			}
			if merr != nil && !errors.Is(merr, docstore.ErrNotFound) {
				return zero, merr
			}
			v, err = again(ctx, w, rec.Target)
		}
		if err != nil {
			return zero, err
		}
		if v, err = complete(ctx, w, v); err != nil {
			return zero, err
		}
		return v, k.finish(ctx, rec)
	}
	return zero, fault.Unavailable(errors.New("no free id could be drawn"))
}

func complete[T any](ctx context.Context, w Work[T], v T) (T, error) {
	if w.Complete == nil {
		return v, nil
	}
	return w.Complete(ctx, v)
}

// again reads what an earlier call made, as if it had just been made.
func again[T any](ctx context.Context, w Work[T], id int64) (T, error) {
	v, err := w.Read(ctx, id)
	if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) ||
		fault.Is(err, fault.KindNotFound) || fault.Has(err, faultv1.Reason_REASON_RESTRICTED) || fault.Has(err, faultv1.Reason_REASON_FENCED) {
		return v, AlreadyDone(id)
	}
	if err == nil {
		// Outside of a gRPC call there is nobody to tell, and that is no error.
		_ = grpc.SetHeader(ctx, metadata.Pairs(header.Replayed, "true"))
	}
	return v, err
}

// AlreadyDone says that the key was used and its result is no longer to be had.
func AlreadyDone(id int64) *fault.Error {
	e := fault.New(fault.KindExists, faultv1.Reason_REASON_ALREADY_DONE, "this call was made before, and its result is gone")
	e.Violations = []fault.Violation{{
		Field: "idempotency_key", Code: faultv1.Reason_REASON_DUPLICATE_VALUE,
		Message: "It was used before", Info: map[string]int64{"id": id},
	}}
	return e.With("id", strconv.FormatInt(id, 10))
}

// find reads a call's record; docstore.ErrNotFound when there is none.
func (k *Keys) find(ctx context.Context, c Call) (*record, error) {
	p, err := k.recs.Find(ctx, ring.Read, c.Account, docstore.Query{Index: "hash", Eq: []any{hash(c)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(p.Items) == 0 {
		return nil, docstore.ErrNotFound
	}
	rec := p.Items[0]
	if subtle.ConstantTimeCompare(rec.Body, c.Body) != 1 {
		e := fault.Conflict(faultv1.Reason_REASON_KEY_REUSED)
		e.Violations = []fault.Violation{{Field: "idempotency_key", Code: faultv1.Reason_REASON_INCONSISTENT_STATE, Message: "It was used for a different request"}}
		return nil, e
	}
	return rec, nil
}

// dead reports whether the owner of pending work has been, or is being, erased.
func (k *Keys) dead(ctx context.Context, rec *record) (bool, error) {
	if rec.Subject == 0 {
		return false, nil
	}
	e, err := k.db.Entry(ctx, ring.Subject{Account: rec.Account, ID: rec.Subject})
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return e.Destroyed || e.Modes()&(ring.Erasing|ring.Erased) != 0, err
}

// retarget draws another id for a record whose id is somebody else's.
func retarget[T any](ctx context.Context, k *Keys, rec *record, w Work[T]) error {
	id, err := w.NewID(ctx)
	if err != nil {
		return err
	}
	if w.Owner == nil {
		rec.Subject = id
	}
	rec.Target, rec.UpdatedAt = id, k.now()
	err = k.recs.Update(ctx, ring.Write, rec)
	if errors.Is(err, docstore.ErrStale) {
		return fault.Conflict(faultv1.Reason_REASON_STALE).Because(err)
	}
	return err
}

// finish notes that the work is done. Somebody who was faster has noted the same.
func (k *Keys) finish(ctx context.Context, rec *record) error {
	rec.Done, rec.Subject, rec.UpdatedAt = true, 0, k.now()
	err := k.recs.Update(ctx, ring.Write, rec)
	if errors.Is(err, docstore.ErrStale) {
		return nil
	}
	return err
}

// hash hides a key; lengths keep method and key apart.
func hash(c Call) string {
	h := sha256.New()
	for _, s := range []string{c.Method, c.Key} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}
