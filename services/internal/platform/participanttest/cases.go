package participanttest

import (
	"slices"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

// The reasons a participant refuses with.
const (
	stale   = faultv1.Reason_REASON_STALE_TOKEN
	fenced  = faultv1.Reason_REASON_FENCED
	early   = faultv1.Reason_REASON_INCONSISTENT_STATE
	denied  = faultv1.Reason_REASON_ACCESS_DENIED
	missing = faultv1.Reason_REASON_MISSING_FIELD
	invalid = faultv1.Reason_REASON_INVALID_VALUE
)

// cases are the promises of the contract, in the order in which they should be mended.
func cases() []testcase {
	return []testcase{
		{"resources", resourcesAnswered},
		{"outcomes", outcomesAnswered},
		{"symmetry", symmetry},
		{"attestation", attestation},
		{"repeats", repeats},
		{"tokens", tokens},
		{"order", order},
		{"cursor", resumption},
		{"export", exportUnderFences},
		{"methods", methodsListed},
		{"fences", fencesAndMethods},
		{"hiding", hidingChangesNothing},
		{"accounts", accounts},
		{"callers", callers},
		{"late", late},
		{"bystanders", bystanders},
		{"restart", restarts},
		{"writers", writers},
		{"at rest", atRest},
		{"links", links},
		{"mentions", mentions},
		{"items", items},
	}
}

// Everything that was exported before is in an outcome, and nothing is left to export.
func symmetry(w *world) {
	w.each(3, func(p Person) {
		before := w.mustExport(p)
		if len(before) == 0 {
			w.errorf("%v: nothing is exported", p.Kind)
		}
		if counted := owned(w.counts(p)); !same(counted, before.byResource()) {
			w.errorf("%v: exported %v, counted %v", p.Kind, before.byResource(), counted)
		}
		gone := map[string]int64{}
		for _, o := range w.erase(p, "erase") {
			if o.GetCategory() != linksCategory {
				gone[o.GetResource()] += o.GetCount()
			}
		}
		if !same(gone, before.byResource()) {
			w.errorf("%v: exported %v, outcomes %v", p.Kind, before.byResource(), gone)
		}
		_, err := w.export(p, "")
		w.refused("export of somebody erased", err, fenced)
	})
}

// Counting needs no key and no permission of a fence, so it sees what erasing has left.
func attestation(w *world) {
	w.each(2, func(p Person) {
		first := w.counts(p)
		want := owned(first)
		check := func(when string, key bool, modes ...participantv1.Mode) {
			now := w.counts(p)
			if !same(owned(now), want) {
				w.errorf("%v %s: counted %v, want %v", p.Kind, when, owned(now), want)
			}
			if now.KeyPresent == nil || now.GetKeyPresent() != key {
				w.errorf("%v %s: key present is %v, want %v", p.Kind, when, now.KeyPresent, key)
			}
			if !slices.Equal(now.GetModes(), modes) {
				w.errorf("%v %s: fences %v, want %v", p.Kind, when, now.GetModes(), modes)
			}
		}
		check("at first", true)
		w.ok(w.fence(p, hidden, "hide", w.token()))
		w.ok(w.fence(p, erasing, "erase", w.token()))
		check("behind fences", true, hidden, erasing)
		w.ok(w.destroy(p, "erase", w.token()))
		check("before the sweep", false, hidden, erasing) // what was not deleted is counted, key or not
		outcomes, err := w.sweep(p, "erase", w.token())
		w.ok(err)
		want = retained(outcomes)
		check("after the sweep", false, hidden, erasing)
		w.ok(w.fence(p, erased, "erase", w.token()))
		check("in the end", false, hidden, erasing, erased)
	})
}

func retained(outcomes []*participantv1.Outcome) map[string]int64 {
	n := map[string]int64{}
	for _, o := range outcomes {
		if o.GetKind() == participantv1.OutcomeKind_OUTCOME_KIND_RETAINED {
			n[o.GetResource()] += o.GetCount()
		}
	}
	return n
}

// Whatever is called again under the same token changes nothing and answers the same.
func repeats(w *world) {
	w.each(2, func(p Person) {
		seen := w.counts(p)
		again := func(what string, call func() error) {
			w.ok(call())
			first := w.counts(p)
			if err := call(); err != nil {
				w.errorf("%s again: %v", what, err)
			}
			if second := w.counts(p); !proto.Equal(first, second) {
				w.errorf("%s again changes %v to %v", what, first, second)
			}
		}
		t := w.token()
		again("fence", func() error { return w.fence(p, hidden, "a", t) })
		t2 := w.token()
		again("unfence", func() error { return w.unfence(p, "a", t2) })
		if now := w.counts(p); !proto.Equal(seen, now) {
			w.errorf("a fence that came and went leaves %v, was %v", now, seen)
		}
		if one, two := w.mustExport(p), w.mustExport(p); !one.equal(two) {
			w.errorf("two exports differ")
		}
		t3 := w.token()
		again("fence", func() error { return w.fence(p, erasing, "a", t3) })
		t4 := w.token()
		again("destroy", func() error { return w.destroy(p, "a", t4) })
		again("sweep", func() error { _, err := w.sweep(p, "a", t4); return err })
		outcomes, err := w.sweep(p, "a", t4)
		w.ok(err)
		for _, o := range outcomes {
			if o.GetKind() == participantv1.OutcomeKind_OUTCOME_KIND_ERASED || o.GetKind() == participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED {
				w.errorf("a repeated sweep finds %v", o)
			}
		}
	})
}

// A participant keeps the highest token and refuses a lower one, whoever shows it.
func tokens(w *world) {
	w.each(1, func(p Person) {
		at := tok(w.sequence.Add(10), 5, 5)
		s := at.GetSequence()
		lower := []*participantv1.Token{tok(s-1, 9, 9), tok(s, 4, 9), tok(s, 5, 4)}
		refuse := func() {
			before := w.counts(p)
			for _, low := range lower {
				w.refused("fence under a lower token", w.fence(p, erasing, "late", low), stale)
				w.refused("unfence under a lower token", w.unfence(p, "a", low), stale)
				w.refused("destroy under a lower token", w.destroy(p, "a", low), stale)
				_, err := w.redact(p, "a", low, &participantv1.Identifiers{Emails: []string{"nobody@nowhere.example"}})
				w.refused("redact under a lower token", err, stale)
				_, err = w.eraseItem(p, &participantv1.Item{Resource: proto.String("x"), Id: proto.Int64(1)}, "a", low)
				w.refused("erase item under a lower token", err, stale)
			}
			if now := w.counts(p); !proto.Equal(before, now) {
				w.errorf("refused calls change %v to %v", before, now)
			}
		}
		w.ok(w.fence(p, erasing, "a", at))
		refuse()
		w.ok(w.fence(p, erasing, "a", at)) // the same again
		w.ok(w.unfence(p, "a", at))
		refuse()
		w.ok(w.fence(p, erasing, "a", at))
		w.ok(w.destroy(p, "a", at))
		for _, low := range lower {
			_, err := w.sweep(p, "a", low)
			w.refused("sweep under a lower token", err, stale)
		}
		_, err := w.sweep(p, "a", at)
		w.ok(err)
		w.sequence.Add(1)
	})
}

// Nothing is destroyed without a fence of its own, nothing deleted that a key
// still opens, and nothing brought back.
func order(w *world) {
	w.each(2, func(p Person) {
		want := owned(w.counts(p))
		w.refused("destroy without a fence", w.destroy(p, "erase", w.token()), fenced)
		w.ok(w.fence(p, hidden, "erase", w.token()))
		w.refused("destroy with another fence", w.destroy(p, "erase", w.token()), fenced)
		_, err := w.redact(p, "erase", w.token(), &participantv1.Identifiers{Emails: []string{"nobody@nowhere.example"}})
		w.refused("redact without its fence", err, fenced)
		w.ok(w.fence(p, erasing, "erase", w.token()))
		w.refused("destroy of another saga", w.destroy(p, "other", w.token()), fenced)
		_, err = w.sweep(p, "erase", w.token())
		w.refused("sweep before destroy", err, early)
		if now := w.counts(p); !same(owned(now), want) || !now.GetKeyPresent() {
			w.errorf("refused calls have changed something: %v, was %v", now, want)
		}
		w.ok(w.destroy(p, "erase", w.token()))
		w.refused("unfence after destroy", w.unfence(p, "erase", w.token()), fenced)
		w.refused("another fence after destroy", w.fence(p, hidden, "other", w.token()), fenced)
		_, err = w.sweep(p, "other", w.token())
		w.refused("sweep of another saga", err, fenced)
		if now := w.counts(p); !same(owned(now), want) || now.GetKeyPresent() {
			w.errorf("after destroy: %v, want %v and no key", now, want)
		}
	})
}

// State survives a restart between any two calls.
func restarts(w *world) {
	w.each(2, func(p Person) {
		want, before := owned(w.counts(p)), w.mustExport(p)
		step := func(do func() error) *participantv1.CountHoldingsResponse {
			w.ok(do())
			before := w.counts(p)
			w.k.Restart(w.Service)
			now := w.counts(p)
			if !proto.Equal(before, now) {
				w.errorf("a restart changes %v to %v", before, now)
			}
			return now
		}
		step(func() error { return w.fence(p, hidden, "hide", w.token()) })
		step(func() error { return w.unfence(p, "hide", w.token()) })
		if now := w.mustExport(p); !now.equal(before) {
			w.errorf("restarts change the export")
		}
		step(func() error { return w.fence(p, erasing, "erase", w.token()) })
		now := step(func() error { return w.destroy(p, "erase", w.token()) })
		if now.GetKeyPresent() || !same(owned(now), want) {
			w.errorf("after destroy and a restart: %v", now)
		}
		at := w.token()
		step(func() error { _, err := w.sweep(p, "erase", at); return err })
		step(func() error { return w.fence(p, erased, "erase", w.token()) })
	})
}
