package participant

import (
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

const (
	erased     = participantv1.OutcomeKind_OUTCOME_KIND_ERASED
	anonymised = participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED
	noneFound  = participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND
)

// work is a call that changes records page by page: it reports how far it is,
// and answers with outcomes when all is done, never before.
type work struct {
	send     func(done int64, outcomes []*participantv1.Outcome) error
	done     int64
	outcomes []*participantv1.Outcome
}

// pages runs step until nothing is left and files the outcome: kind, or none
// found. A second run for the same resource and category adds to the first one's.
func (w *work) pages(r Resource, c optionsv1.Category, kind participantv1.OutcomeKind, step func(limit int) (int, bool, error)) error {
	var total int64
	for more := true; more; {
		n, again, err := step(sweepPage)
		if err != nil {
			return resourceFault(err)
		}
		more, total, w.done = again, total+int64(n), w.done+int64(n)
		if n > 0 {
			if err := w.send(w.done, nil); err != nil {
				return err
			}
		}
	}
	w.file(r, c, kind, total)
	return nil
}

// file adds n to the outcome of its resource, category and kind. None found
// stands alone: it gives way to whatever was found.
func (w *work) file(r Resource, c optionsv1.Category, kind participantv1.OutcomeKind, n int64) {
	name, here := r.name(), -1
	for i, o := range w.outcomes {
		if o.GetResource() != name || o.GetCategory() != c {
			continue
		}
		if n == 0 {
			return
		}
		if here = i; o.GetKind() == kind {
			n += o.GetCount()
			o.Count = &n
			return
		}
	}
	if n == 0 {
		kind = noneFound
	}
	out := &participantv1.Outcome{Resource: &name, Category: c.Enum(), Kind: kind.Enum(), Count: &n}
	if here >= 0 && w.outcomes[here].GetKind() == noneFound {
		w.outcomes[here] = out
		return
	}
	w.outcomes = append(w.outcomes, out)
}

// end sends the outcomes.
func (w *work) end() error { return w.send(w.done, w.outcomes) }
