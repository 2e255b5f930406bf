package participanttest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// fenceSets are the fences the matrix is asked under. They combine, and the strictest wins.
var fenceSets = [][]participantv1.Mode{
	{hidden}, {restricted}, {erasing}, {erased}, {hidden, restricted}, {hidden, erasing}, {restricted, erasing},
}

// table is how kinds of methods answer, by the strictest fence.
var table = map[Kind]map[participantv1.Mode]Answer{
	One:   {hidden: NotFound, restricted: Restricted, erasing: NotFound, erased: NotFound},
	List:  {hidden: Empty, restricted: Empty, erasing: Empty, erased: Empty},
	Named: {hidden: Invalid, restricted: Restricted, erasing: Invalid, erased: Invalid},
}

func (m Method) answer(strictest participantv1.Mode) Answer {
	if a, ok := m.Except[strictest]; ok {
		return a
	}
	return table[m.Kind][strictest]
}

// strictest is the last of a set: they are listed in that order.
func strictest(set []participantv1.Mode) participantv1.Mode { return set[len(set)-1] }

// call asks a method as the caller it wants, of the person's account or of another one.
func (w *world) call(m Method, account int64) (proto.Message, error) {
	as := m.As
	if as == nil {
		as = w.k.Admin
	}
	return m.Call(as(account))
}

// shown is what is in answers that show the person.
func (p Person) shown() string { return cmp.Or(p.Shown, p.Mark) }

// gives says how a method has answered; "" when it is as wanted.
func gives(want Answer, mark string, got proto.Message, err error) string {
	shows := err == nil && bytes.Contains(wire(got), []byte(mark))
	ok := false
	switch want {
	case NotFound:
		ok = fault.Is(err, fault.KindNotFound)
	case Restricted:
		ok = fault.Has(err, faultv1.Reason_REASON_RESTRICTED)
	case Invalid:
		ok = fault.Is(err, fault.KindInvalid)
	case NotAllowed:
		ok = fault.Has(err, faultv1.Reason_REASON_METHOD_NOT_ALLOWED)
	case Empty:
		ok = err == nil && !shows
	case Shown:
		ok = shows
	case Fine:
		ok = err == nil
	case Unknown:
		ok = fault.Is(err, fault.KindUnauthenticated)
	}
	switch {
	case ok:
		return ""
	case err != nil:
		return err.Error()
	case shows:
		return "an answer that shows the person"
	}
	return "an answer"
}

// asked returns the methods that are called: all but those apart.
func (w *world) asked(p Person) []Method {
	return slices.DeleteFunc(w.Methods(p), func(m Method) bool { return m.Kind == Apart })
}

func (m Method) reads() bool { return m.Shows || m.Kind == List }

// Every method of the contract is in the harness's list, and no other.
func methodsListed(w *world) {
	listed := map[string]bool{}
	w.each(1, func(p Person) {
		for _, m := range w.Methods(p) {
			listed[m.Name] = true
			if (m.Kind == Apart || m.Kind == Free) && m.Why == "" {
				w.errorf("%s stays out of the matrix without a reason", m.Name)
			}
		}
	})
	for _, f := range contract.Files() {
		if string(f.Package()) != "lethe."+w.Service+".v1" {
			continue
		}
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			if w.services != nil && !slices.Contains(w.services, string(s.Name())) {
				continue
			}
			for j := range s.Methods().Len() {
				name := string(s.Name()) + "/" + string(s.Methods().Get(j).Name())
				if !listed[name] {
					w.errorf("%s is in no list of methods", name)
				}
				delete(listed, name)
			}
		}
	}
	for name := range listed {
		w.errorf("%s is not in the contract", name)
	}
}

// Every method answers under every fence as the table says, changes nothing
// there, and works again when the fence has gone.
func fencesAndMethods(w *world) {
	for _, set := range fenceSets {
		w.each(1, func(p Person) { w.matrix(p, set) })
	}
	w.each(1, func(p Person) {
		for _, m := range w.asked(p) {
			if m.Ends { // its thing is gone behind it, so it gets somebody of its own
				fresh := w.seed(p.Kind, 1)
				all := w.asked(fresh)
				m = all[slices.IndexFunc(all, func(o Method) bool { return o.Name == m.Name })]
			}
			if got, err := w.call(m, 1); err != nil {
				w.errorf("without a fence %s gives %s", m.Name, gives(Fine, p.shown(), got, err))
			}
		}
	})
}

// matrix asks all methods about one person under one set of fences, and takes them away again.
func (w *world) matrix(p Person, set []participantv1.Mode) {
	label := p.Kind.String() + " " + names(set)
	for _, m := range w.asked(p) {
		if !m.reads() {
			continue
		}
		got, err := w.call(m, 1)
		if wrong := gives(Shown, p.shown(), got, err); wrong != "" {
			w.errorf("without a fence %s gives %s: it proves nothing", m.Name, wrong)
		}
	}
	before, counted := w.mustExport(p), w.counts(p)
	for _, mode := range set {
		w.ok(w.fence(p, mode, "saga-"+mode.String(), w.token()))
	}
	for _, m := range w.asked(p) {
		if m.Kind == Free {
			continue
		}
		got, err := w.call(m, 1)
		if wrong := gives(m.answer(strictest(set)), p.shown(), got, err); wrong != "" {
			w.errorf("%s: %s gives %s", label, m.Name, wrong)
		}
	}
	if now := w.counts(p); !same(owned(now), owned(counted)) {
		w.errorf("%s: methods have changed %v to %v", label, owned(counted), owned(now))
	}
	for _, mode := range set {
		w.ok(w.unfence(p, "saga-"+mode.String(), w.token()))
	}
	if !w.mustExport(p).equal(before) {
		w.errorf("%s: methods have changed the person's data", label)
	}
}

func names(set []participantv1.Mode) string {
	var all []string
	for _, m := range set {
		all = append(all, strings.ToLower(strings.TrimPrefix(m.String(), "MODE_")))
	}
	return strings.Join(all, " and ")
}

// A soft delete that is taken back leaves everything as it was, byte by byte.
func hidingChangesNothing(w *world) {
	w.each(2, func(p Person) {
		look := func() map[string][]byte {
			seen := map[string][]byte{}
			for _, m := range w.asked(p) {
				if m.reads() {
					got, err := w.call(m, 1)
					w.ok(err)
					seen[m.Name] = wire(got)
				}
			}
			return seen
		}
		before, read, counted := w.mustExport(p), look(), w.counts(p)
		w.ok(w.fence(p, hidden, "hide", w.token()))
		if !w.mustExport(p).equal(before) {
			w.errorf("%v: hiding changes the export", p.Kind)
		}
		w.ok(w.unfence(p, "hide", w.token()))
		if !w.mustExport(p).equal(before) || !proto.Equal(w.counts(p), counted) {
			w.errorf("%v: hiding and restoring has changed something", p.Kind)
		}
		for name, now := range look() {
			if !bytes.Equal(now, read[name]) {
				w.errorf("%v: %s answers otherwise after a restore", p.Kind, name)
			}
		}
	})
}

// Another account sees and changes nothing, not even of a person with the same id.
func accounts(w *world) {
	w.each(1, func(p Person) {
		before, counted := w.mustExport(p), w.counts(p)
		for _, m := range w.asked(p) {
			got, err := w.call(m, 2)
			if err == nil && (m.Kind != List || bytes.Contains(wire(got), []byte(p.shown()))) {
				w.errorf("%v: %s works from another account", p.Kind, m.Name)
			}
		}
		twin := p
		twin.Account = 2
		w.erase(twin, "erase")
		if now := w.counts(p); !proto.Equal(now, counted) || !w.mustExport(p).equal(before) {
			w.errorf("%v: another account has changed %v to %v", p.Kind, counted, now)
		}
	})
}

// Participants obey privacy, and privacy only for the account it speaks for.
func callers(w *world) {
	w.each(1, func(p Person) {
		before, counted := w.mustExport(p), w.counts(p)
		for who, ctx := range map[string]context.Context{
			"privacy of another account": w.k.Privacy(2), "an administrator": w.k.Admin(1), "another service": w.k.Service(1, "gateway"),
		} {
			for name, call := range w.everyCall(ctx, p) {
				w.refused(name+" by "+who, call(), denied)
			}
		}
		if now := w.counts(p); !proto.Equal(now, counted) || !w.mustExport(p).equal(before) {
			w.errorf("refused callers have changed %v to %v", counted, now)
		}
	})
}

// everyCall returns all calls of the participant's contract that are about a person.
func (w *world) everyCall(ctx context.Context, p Person) map[string]func() error {
	saga, s := "erase", p.subject()
	return map[string]func() error{
		"count": func() error {
			_, err := w.api.CountHoldings(ctx, &participantv1.CountHoldingsRequest{Subject: s})
			return err
		},
		"fence": func() error {
			_, err := w.api.Fence(ctx, &participantv1.FenceRequest{Subject: s, Mode: erasing.Enum(), Saga: &saga, Token: w.token()})
			return err
		},
		"unfence": func() error {
			_, err := w.api.Unfence(ctx, &participantv1.UnfenceRequest{Subject: s, Saga: &saga, Token: w.token()})
			return err
		},
		"destroy": func() error {
			_, err := w.api.Destroy(ctx, &participantv1.DestroyRequest{Subject: s, Saga: &saga, Token: w.token()})
			return err
		},
		"sweep": func() error {
			_, err := all(w.api.Sweep(ctx, &participantv1.SweepRequest{Subject: s, Saga: &saga, Token: w.token(), Kind: &p.Kind}))
			return err
		},
		"export": func() error {
			_, err := all(w.api.Export(ctx, &participantv1.ExportRequest{Subject: s, Scope: participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum()}))
			return err
		},
		"redact": func() error {
			_, err := all(w.api.Redact(ctx, &participantv1.RedactRequest{Subject: s, Saga: &saga, Token: w.token(), Identifiers: &participantv1.Identifiers{}}))
			return err
		},
		"erase item": func() error {
			_, err := all(w.api.EraseItem(ctx, &participantv1.EraseItemRequest{Subject: s, Saga: &saga, Token: w.token(), Item: anyItem()}))
			return err
		},
		"count item": func() error {
			_, err := w.api.CountItem(ctx, &participantv1.CountItemRequest{Subject: s, Item: anyItem()})
			return err
		},
	}
}

func anyItem() *participantv1.Item {
	return &participantv1.Item{Resource: proto.String("x"), Id: proto.Int64(1)}
}
