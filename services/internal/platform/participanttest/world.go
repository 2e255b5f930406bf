package participanttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
)

const (
	hidden     = participantv1.Mode_MODE_HIDDEN
	restricted = participantv1.Mode_MODE_RESTRICTED
	erasing    = participantv1.Mode_MODE_ERASING
	erased     = participantv1.Mode_MODE_ERASED
)

// testcase is one promise of the contract.
type testcase struct {
	name string
	run  func(*world)
}

// world is a case's service, and a way to fail.
type world struct {
	*Harness
	k   *servicetest.Kit
	api participantv1.PersonalDataServiceClient
	// sequence is that of the last token, strangers how many were made up.
	sequence, strangers atomic.Int64
	msgs                []string
}

// stopped ends a case that has failed.
type stopped struct{}

// openWorld makes a world with a service of its own.
func openWorld(t *testing.T, o servicetest.Options, open Open) *world {
	t.Helper()
	k := servicetest.New(t, o)
	w := &world{Harness: open(k), k: k}
	if w.Kinds == nil {
		w.Kinds = []participantv1.SubjectKind{participantv1.SubjectKind_SUBJECT_KIND_CONTACT}
	}
	if w.api = w.client; w.api == nil {
		w.api = participantv1.NewPersonalDataServiceClient(k.Conn(w.Service))
	}
	return w
}

// play runs a case and returns what failed.
func (w *world) play(c testcase) []string {
	w.msgs = nil
	w.guard(c.run)
	return w.msgs
}

func (w *world) guard(run func(*world)) {
	defer func() {
		r := recover()
		if _, ended := r.(stopped); r != nil && !ended {
			panic(r)
		}
	}()
	run(w)
}

// errorf notes a failure and goes on.
func (w *world) errorf(format string, args ...any) {
	_, file, line, _ := runtime.Caller(1)
	w.msgs = append(w.msgs, fmt.Sprintf("%s:%d: %s", filepath.Base(file), line, fmt.Sprintf(format, args...)))
}

// ok ends the case when there is an error.
func (w *world) ok(err error) {
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		w.msgs = append(w.msgs, fmt.Sprintf("%s:%d: %v", filepath.Base(file), line, err))
		panic(stopped{})
	}
}

// refused wants that reason.
func (w *world) refused(what string, err error, want ...faultv1.Reason) {
	f := fault.From(err)
	if err == nil || !slices.Contains(want, f.Reason) {
		_, file, line, _ := runtime.Caller(1)
		w.msgs = append(w.msgs, fmt.Sprintf("%s:%d: %s: got %v, want %v", filepath.Base(file), line, what, err, want))
	}
}

// mark returns a word that stands nowhere else: lower-case letters, fit for an address.
func mark() string { return "canary" + strings.ToLower(rand.Text()) }

// seed makes a person with n of everything in account 1.
func (w *world) seed(kind participantv1.SubjectKind, n int) Person { return w.Seed(1, kind, n, mark()) }

// each runs f for a new person of each kind.
func (w *world) each(n int, f func(p Person)) {
	for _, kind := range w.Kinds {
		f(w.seed(kind, n))
	}
}

// nobody returns somebody never met.
func (w *world) nobody() Person {
	return Person{Account: 1, ID: 1<<50 + w.strangers.Add(1), Kind: w.Kinds[0]}
}

func (p Person) subject() *participantv1.Subject {
	return &participantv1.Subject{Account: &p.Account, Id: &p.ID}
}

// token returns one higher than all before.
func (w *world) token() *participantv1.Token { return tok(w.sequence.Add(1), 1, 1) }

func tok(sequence int64, epoch, stage int32) *participantv1.Token {
	return &participantv1.Token{Sequence: &sequence, Epoch: &epoch, Stage: &stage}
}

func (w *world) as(p Person) context.Context { return w.k.Privacy(p.Account) }

func (w *world) fence(p Person, m participantv1.Mode, saga string, t *participantv1.Token) error {
	_, err := w.api.Fence(w.as(p), &participantv1.FenceRequest{Subject: p.subject(), Mode: &m, Saga: &saga, Token: t})
	return err
}

func (w *world) unfence(p Person, saga string, t *participantv1.Token) error {
	_, err := w.api.Unfence(w.as(p), &participantv1.UnfenceRequest{Subject: p.subject(), Saga: &saga, Token: t})
	return err
}

func (w *world) destroy(p Person, saga string, t *participantv1.Token) error {
	_, err := w.api.Destroy(w.as(p), &participantv1.DestroyRequest{Subject: p.subject(), Saga: &saga, Token: t})
	return err
}

func (w *world) sweep(p Person, saga string, t *participantv1.Token) ([]*participantv1.Outcome, error) {
	answers, err := all(w.api.Sweep(w.as(p), &participantv1.SweepRequest{Subject: p.subject(), Saga: &saga, Token: t, Kind: &p.Kind}))
	return w.last(answers), err
}

func (w *world) redact(p Person, saga string, t *participantv1.Token, ids *participantv1.Identifiers) ([]*participantv1.Outcome, error) {
	answers, err := all(w.api.Redact(w.as(p), &participantv1.RedactRequest{Subject: p.subject(), Saga: &saga, Token: t, Identifiers: ids}))
	return w.lastRedacted(answers), err
}

func (w *world) eraseItem(p Person, item *participantv1.Item, saga string, t *participantv1.Token) ([]*participantv1.Outcome, error) {
	answers, err := all(w.api.EraseItem(w.as(p), &participantv1.EraseItemRequest{Subject: p.subject(), Item: item, Saga: &saga, Token: t}))
	return lastOf(w, answers), err
}

func (w *world) last(a []*participantv1.SweepResponse) []*participantv1.Outcome { return lastOf(w, a) }
func (w *world) lastRedacted(a []*participantv1.RedactResponse) []*participantv1.Outcome {
	return lastOf(w, a)
}

// lastOf returns the outcomes, which come in the last message and in no other.
func lastOf[T interface {
	GetOutcomes() []*participantv1.Outcome
	GetDone() int64
}](w *world, answers []T) []*participantv1.Outcome {
	var done int64
	for i, a := range answers {
		if i < len(answers)-1 && len(a.GetOutcomes()) != 0 {
			w.errorf("outcomes come before the last message")
		}
		if a.GetDone() < done {
			w.errorf("progress goes back from %d to %d", done, a.GetDone())
		}
		done = a.GetDone()
	}
	if len(answers) == 0 {
		return nil
	}
	return answers[len(answers)-1].GetOutcomes()
}

func (w *world) counts(p Person) *participantv1.CountHoldingsResponse {
	out, err := w.api.CountHoldings(w.as(p), &participantv1.CountHoldingsRequest{Subject: p.subject()})
	w.ok(err)
	return out
}

// owned returns what is counted as the person's, by resource.
func owned(c *participantv1.CountHoldingsResponse) map[string]int64 {
	n := map[string]int64{}
	for _, one := range c.GetCounts() {
		n[one.GetResource()] += one.GetOwned()
	}
	return n
}

// erase runs an erasure's calls to the tombstone and returns the outcomes.
func (w *world) erase(p Person, saga string) []*participantv1.Outcome {
	w.ok(w.fence(p, erasing, saga, w.token()))
	w.ok(w.destroy(p, saga, w.token()))
	outcomes, err := w.sweep(p, saga, w.token())
	w.ok(err)
	w.ok(w.fence(p, erased, saga, w.token()))
	return outcomes
}

// all receives a stream to its end.
func all[T any](stream grpc.ServerStreamingClient[T], err error) ([]*T, error) {
	var out []*T
	for err == nil {
		var m *T
		if m, err = stream.Recv(); err == nil {
			out = append(out, m)
		}
	}
	if errors.Is(err, io.EOF) {
		return out, nil
	}
	return out, err
}
