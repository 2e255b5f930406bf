package participanttest

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/contract"
)

const linksCategory = optionsv1.Category_CATEGORY_LINKS

// resource is what the contract says of a stored message.
type resource struct {
	name       string
	owner      optionsv1.Owner
	categories map[optionsv1.Category]bool
	// links says that a field names people who took part.
	links bool
}

// stored returns the stored resources of the service's contract, by name:
// everything a participant must or may answer for.
func (h *Harness) stored() map[string]resource {
	out := map[string]resource{}
	for _, f := range contract.Files() {
		if string(f.Package()) != "lethe."+h.Service+".v1" {
			continue
		}
		for i := range f.Messages().Len() {
			md := f.Messages().Get(i)
			o := contract.Resource(md)
			known := h.resources == nil || slices.Contains(h.resources, o.GetName())
			if o == nil || o.GetOwner() == optionsv1.Owner_OWNER_NONE || !known {
				continue
			}
			out[o.GetName()] = describe(md, o)
		}
	}
	return out
}

func describe(md protoreflect.MessageDescriptor, o *optionsv1.Resource) resource {
	r := resource{name: o.GetName(), owner: o.GetOwner(), categories: map[optionsv1.Category]bool{}}
	r.fields(md, nil)
	return r
}

// fields adds a message's fields and those of the messages in it, unless they are resources of their own.
func (r *resource) fields(md protoreflect.MessageDescriptor, within []protoreflect.FullName) {
	if slices.Contains(within, md.FullName()) {
		return
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		p := contract.Personal(fd)
		switch {
		case p == nil:
		case p.GetRole() == optionsv1.Role_ROLE_UNSPECIFIED:
			r.categories[p.GetCategory()] = true
		default:
			r.categories[linksCategory] = true
			r.links = r.links || (p.GetRole() == optionsv1.Role_ROLE_AUTHOR_LINK && p.GetOnErase() != optionsv1.EraseAction_ERASE_ACTION_TRANSIENT)
		}
		if fd.Message() != nil && contract.Resource(fd.Message()) == nil {
			r.fields(fd.Message(), append(within, md.FullName()))
		}
	}
}

// personal returns the names of the resources that people own, sorted.
func (h *Harness) personal() []string {
	var names []string
	for name, r := range h.stored() {
		if r.owner == optionsv1.Owner_OWNER_SUBJECT {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Every resource of the contract is described and counted, once, whoever is
// asked for; and the harness can make some of each.
func resourcesAnswered(w *world) {
	described, err := w.api.DescribeHoldings(w.k.Privacy(1), &participantv1.DescribeHoldingsRequest{})
	w.ok(err)
	w.described(described.GetHoldings())
	nobody := w.nobody()
	counts := w.counts(nobody)
	w.counted("nobody", counts)
	if counts.KeyPresent == nil || counts.GetKeyPresent() || len(counts.GetModes()) != 0 || !same(owned(counts), nil) {
		w.errorf("somebody never met: %v", counts)
	}
	made := map[string]int64{}
	w.each(3, func(p Person) {
		counts := w.counts(p)
		w.counted(p.Kind.String(), counts)
		for name, n := range owned(counts) {
			made[name] += n
		}
	})
	for _, name := range w.personal() {
		if made[name] == 0 {
			w.errorf("nobody whom the harness made owns any of %s", name)
		}
	}
}

// described checks the rows of the data map against the contract.
func (w *world) described(rows []*participantv1.Holding) {
	seen := map[string]map[optionsv1.Category]int{}
	for _, h := range rows {
		if seen[h.GetResource()] == nil {
			seen[h.GetResource()] = map[optionsv1.Category]int{}
		}
		seen[h.GetResource()][h.GetCategory()]++
		if h.GetOnErase() == 0 || h.GetOwner() == 0 || h.GetPurpose() == "" {
			w.errorf("row %v leaves something open", h)
		}
	}
	stored := w.stored()
	for _, name := range w.personal() {
		for c := range stored[name].categories {
			if seen[name][c] != 1 {
				w.errorf("%s and %v stand in %d rows, not in one", name, c, seen[name][c])
			}
		}
	}
	for name, categories := range seen {
		r, known := stored[name]
		for c := range categories {
			// Beside those of its fields a record may have one category of its own.
			if !known || c == 0 || len(categories) > len(r.categories)+1 {
				w.errorf("%s and %v are not of this contract", name, c)
			}
		}
	}
}

// rows are what the data map says, by resource and category.
func (w *world) rows() map[string]map[optionsv1.Category]bool {
	described, err := w.api.DescribeHoldings(w.k.Privacy(1), &participantv1.DescribeHoldingsRequest{})
	w.ok(err)
	rows := map[string]map[optionsv1.Category]bool{}
	for _, h := range described.GetHoldings() {
		if rows[h.GetResource()] == nil {
			rows[h.GetResource()] = map[optionsv1.Category]bool{}
		}
		rows[h.GetResource()][h.GetCategory()] = true
	}
	return rows
}

// counted checks that every resource is counted once.
func (w *world) counted(who string, c *participantv1.CountHoldingsResponse) {
	times, stored, rows := map[string]int{}, w.stored(), w.rows()
	for _, one := range c.GetCounts() {
		times[one.GetResource()]++
		r := stored[one.GetResource()]
		if !rows[one.GetResource()][one.GetCategory()] {
			w.errorf("%s: %v has no row in the data map", who, one)
		}
		if one.Owned == nil {
			w.errorf("%s: %s was not counted", who, one.GetResource())
		}
		if r.links && one.Linked == nil {
			if why := w.Leave["links"]; why == "" {
				w.errorf("%s: links of %s were not counted", who, one.GetResource())
			}
		}
	}
	for _, name := range w.personal() {
		if times[name] != 1 {
			w.errorf("%s: %s is counted %d times", who, name, times[name])
		}
	}
}

// An erasure answers for every resource, and in no way that leaves something open.
func outcomesAnswered(w *world) {
	erase := func(p Person, met bool) {
		counts := w.counts(p)
		outcomes := w.erase(p, "erase")
		w.answered(outcomes, w.personal())
		w.agree(p, owned(counts), outcomes)
		if met && same(owned(counts), nil) {
			w.errorf("%v has nothing to erase", p.Kind)
		}
	}
	w.each(3, func(p Person) { erase(p, true) })
	erase(w.nobody(), false)
}

// agree checks that what was counted before is what the outcomes count.
func (w *world) agree(p Person, before map[string]int64, outcomes []*participantv1.Outcome) {
	after := map[string]int64{}
	for _, o := range outcomes {
		if o.GetCategory() != linksCategory {
			after[o.GetResource()] += o.GetCount()
		}
	}
	if !same(before, after) {
		w.errorf("%v: counted %v before, outcomes count %v", p.Kind, before, after)
	}
}

// answered checks outcomes for themselves: these resources, and each of them
// with a kind, a category and a count that belong together.
func (w *world) answered(outcomes []*participantv1.Outcome, want []string) {
	type filed struct {
		resource string
		category optionsv1.Category
		kind     participantv1.OutcomeKind
	}
	times, rows, answered := map[filed]int{}, w.rows(), map[string]bool{}
	for _, o := range outcomes {
		at := filed{o.GetResource(), o.GetCategory(), o.GetKind()}
		times[at]++
		answered[o.GetResource()] = true
		if !rows[o.GetResource()][o.GetCategory()] {
			w.errorf("%v has no row in the data map", o)
		}
		if fault := wrong(o); fault != "" {
			w.errorf("%v %s", o, fault)
		}
	}
	for at, n := range times {
		none := at
		none.kind = participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND
		if n != 1 || (at != none && times[none] != 0) {
			w.errorf("%v is answered twice", at)
		}
	}
	for _, name := range want {
		if !answered[name] {
			w.errorf("%s is not answered for; there are %v", name, slices.Sorted(maps.Keys(answered)))
		}
	}
}

// wrong says what an outcome leaves open.
func wrong(o *participantv1.Outcome) string {
	some := o.GetCount() > 0
	switch o.GetKind() {
	case participantv1.OutcomeKind_OUTCOME_KIND_ERASED, participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED:
		if !some {
			return "says that something was done to nothing"
		}
	case participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND:
		if some || o.Count == nil {
			return "found none and does not count zero"
		}
	case participantv1.OutcomeKind_OUTCOME_KIND_RETAINED:
		if !some || o.GetGround() == "" || o.GetUntil() == nil {
			return "retains without a ground, an end and a count"
		}
	default:
		return "is no outcome of a sweep that ends well"
	}
	return ""
}

// wire is a message in its one encoding.
func wire(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}
