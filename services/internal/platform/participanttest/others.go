package participanttest

import (
	"bytes"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
)

// linked returns what is counted as links to the person, by resource, and whether any resource has links.
func linked(c *participantv1.CountHoldingsResponse) (total int64, any bool) {
	for _, one := range c.GetCounts() {
		total, any = total+one.GetLinked(), any || one.Linked != nil
	}
	return total, any
}

// Records of others that name the person stay and name nobody, or the former
// agent; nothing else of them changes.
func links(w *world) {
	for _, kind := range []participantv1.SubjectKind{participantv1.SubjectKind_SUBJECT_KIND_CONTACT, participantv1.SubjectKind_SUBJECT_KIND_AGENT} {
		owner, who := w.seed(w.Kinds[0], 1), w.seed(w.Kinds[0], 1)
		who.Kind = kind
		none, any := linked(w.counts(who))
		if !any {
			return
		}
		if w.Link == nil {
			w.errorf("links are counted and the harness makes none")
			return
		}
		w.Link(owner, who)
		now, _ := linked(w.counts(who))
		if now <= none {
			w.errorf("%v: a new link is not counted: %d, then %d", kind, none, now)
		}
		before := w.mustExport(owner)
		outcomes := w.erase(who, "erase")
		w.answered(outcomes, w.personal())
		relinked := int64(0)
		for _, o := range outcomes {
			if o.GetCategory() == linksCategory && o.GetKind() == participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED {
				relinked += o.GetCount()
			}
		}
		if relinked != now {
			w.errorf("%v: %d links were counted, %d are answered for", kind, now, relinked)
		}
		if left, _ := linked(w.counts(who)); left != 0 {
			w.errorf("%v: %d links are left", kind, left)
		}
		heir := int64(0)
		if kind == participantv1.SubjectKind_SUBJECT_KIND_AGENT {
			heir = participant.FormerAgent
		}
		for i := range before {
			replace(before[i].message.ProtoReflect(), who.ID, heir)
		}
		w.sameText("relinking", before, w.mustExport(owner))
	}
}

// replace puts another id in place of a person's in all int64 fields; 0 takes it
// away, out of a list too.
func replace(m protoreflect.Message, from, to int64) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList() && fd.Kind() == protoreflect.Int64Kind:
			replaceIn(v.List(), from, to)
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				replace(v.List().Get(i).Message(), from, to)
			}
		case fd.IsList() || fd.IsMap():
		case fd.Message() != nil:
			replace(v.Message(), from, to)
		case fd.Kind() == protoreflect.Int64Kind && v.Int() == from && to == 0:
			m.Clear(fd)
		case fd.Kind() == protoreflect.Int64Kind && v.Int() == from:
			m.Set(fd, protoreflect.ValueOfInt64(to))
		}
		return true
	})
}

func replaceIn(l protoreflect.List, from, to int64) {
	kept := 0
	for i := range l.Len() {
		id := l.Get(i).Int()
		if id == from {
			id = to
		}
		if id != 0 {
			l.Set(kept, protoreflect.ValueOfInt64(id))
			kept++
		}
	}
	l.Truncate(kept)
}

// sameText wants two exports with equal records.
func (w *world) sameText(what string, want, got exported) {
	if len(want) != len(got) {
		w.errorf("%s leaves %d records of %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if !proto.Equal(want[i].message, got[i].message) {
			w.errorf("%s makes %s of %s", what, protojson.Format(got[i].message), protojson.Format(want[i].message))
		}
	}
}

// Identifiers of the person go from the words of others, in every form in which
// they are written, and nothing that only looks like them.
func mentions(w *world) {
	owner, who := w.seed(w.Kinds[0], 1), w.seed(w.Kinds[0], 1)
	email, ref := mark()+"@example.org", strings.ToUpper(mark())+"77"
	const phone = "+49 30 5550199"
	ids := &participantv1.Identifiers{Emails: []string{email}, Phones: []string{phone}, ExternalIds: []string{ref}}
	count := func() (total int64, any bool) {
		c, err := w.api.CountHoldings(w.as(who), &participantv1.CountHoldingsRequest{Subject: who.subject(), Identifiers: ids})
		w.ok(err)
		for _, one := range c.GetCounts() {
			total, any = total+one.GetMentioned(), any || one.Mentioned != nil
		}
		return total, any
	}
	if _, any := count(); !any {
		return
	}
	if w.Mention == nil {
		w.errorf("mentions are counted and the harness makes none")
		return
	}
	near := "x" + email + " and not-" + ref + "8"
	w.Mention(owner, "near: "+near)
	if n, _ := count(); n != 0 {
		w.errorf("%d near misses are counted", n)
	}
	w.Mention(owner, "see "+email+", "+strings.ToUpper(email)+", call "+phone+" or 0049305550199, ref "+ref+".")
	w.Mention(who, "my own: "+email)
	untouched := slices.DeleteFunc(w.mustExport(owner), func(r record) bool { return r.holds(email, phone, ref) })
	n, _ := count()
	if n == 0 {
		w.errorf("mentions are not counted")
	}
	w.ok(w.fence(who, erasing, "erase", w.token()))
	outcomes, err := w.redact(who, "erase", w.token(), ids)
	w.ok(err)
	w.answered(outcomes, nil)
	rewritten := int64(0)
	for _, o := range outcomes {
		rewritten += o.GetCount()
	}
	if rewritten != n {
		w.errorf("%d mentions were counted, %d records rewritten", n, rewritten)
	}
	if left, _ := count(); left != 0 {
		w.errorf("%d mentions are left", left)
	}
	w.redacted(owner, untouched, email, phone, ref)
	again, err := w.redact(who, "erase", w.token(), ids)
	w.ok(err)
	for _, o := range again {
		if o.GetKind() != participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND {
			w.errorf("redacting again finds %v", o)
		}
	}
}

// redacted wants an export without the identifiers, in which what held none is as it was.
func (w *world) redacted(owner Person, untouched exported, identifiers ...string) {
	now := w.mustExport(owner)
	marked := false
	for _, r := range now {
		text := bytes.ToLower(r.wire)
		marked = marked || bytes.Contains(text, []byte("see [redacted], [redacted], call [redacted] or [redacted], ref [redacted]."))
		if r.holds(identifiers...) {
			w.errorf("an identifier is left in a record of %s", r.resource)
		}
	}
	if !marked {
		w.errorf("no record holds the sentence with its identifiers redacted and nothing else")
	}
	kept := map[string]bool{}
	for _, r := range now {
		kept[r.resource+string(r.wire)] = true
	}
	for _, r := range untouched {
		if !kept[r.resource+string(r.wire)] {
			w.errorf("redacting changes a record of %s that holds none of the identifiers", r.resource)
		}
	}
}

// holds reports whether a record has an identifier in it that is not a part of a longer word.
func (r record) holds(identifiers ...string) bool {
	text := bytes.ToLower(r.wire)
	return slices.ContainsFunc(identifiers, func(id string) bool {
		id = strings.ToLower(id)
		whole := bytes.ReplaceAll(text, []byte("x"+id), nil)
		return bytes.Contains(bytes.ReplaceAll(whole, []byte("not-"+id), nil), []byte(id))
	})
}

// One record goes with all that hangs on it; the person's others stay.
func items(w *world) {
	p := w.seed(w.Kinds[0], 3)
	if w.Item == nil {
		for _, name := range w.personal() {
			if _, resources := w.itemCount(p, &participantv1.Item{Resource: &name, Id: &p.ID}); len(resources) != 0 {
				w.errorf("on %s hang %v, and the harness names none of them", name, resources)
			}
		}
		return
	}
	item, hang := w.Item(p)
	n, _ := w.itemCount(p, item)
	if n == 0 {
		w.errorf("nothing hangs on the item")
	}
	if got, err := w.call(hang, 1); err != nil {
		w.errorf("nothing can be hung on the item: %s", gives(Fine, "", got, err))
	}
	more, resources := w.itemCount(p, item)
	if more <= n {
		w.errorf("what was hung on the item is not counted: %d, then %d", n, more)
	}
	before, whole := owned(w.counts(p)), w.mustExport(p)
	outcomes, err := w.eraseItem(p, item, "item", w.token())
	w.ok(err)
	w.answered(outcomes, resources)
	gone := int64(0)
	for _, o := range outcomes {
		gone += o.GetCount()
		before[o.GetResource()] -= o.GetCount()
	}
	if gone != more {
		w.errorf("%d records hung on the item, %d are answered for", more, gone)
	}
	if now := w.counts(p); !same(owned(now), before) || !now.GetKeyPresent() {
		w.errorf("without the item the person has %v, want %v and a key", now, before)
	}
	w.subset(whole, w.mustExport(p), int(gone))
	w.itemStaysGone(p, item, hang)
}

// itemCount counts what hangs on the item, and in which resources.
func (w *world) itemCount(p Person, item *participantv1.Item) (total int64, resources []string) {
	c, err := w.api.CountItem(w.as(p), &participantv1.CountItemRequest{Subject: p.subject(), Item: item})
	w.ok(err)
	for _, one := range c.GetCounts() {
		total, resources = total+one.GetOwned(), append(resources, one.GetResource())
	}
	return total, resources
}

// itemStaysGone wants an item of which nothing is left and to which nothing can be added.
func (w *world) itemStaysGone(p Person, item *participantv1.Item, hang Method) {
	if left, _ := w.itemCount(p, item); left != 0 {
		w.errorf("%d records of the item are left", left)
	}
	if _, err := w.call(hang, 1); err == nil {
		w.errorf("something can still be hung on the item")
	}
	again, err := w.eraseItem(p, item, "item", w.token())
	w.ok(err)
	for _, o := range again {
		if o.GetKind() != participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND {
			w.errorf("erasing the item again finds %v", o)
		}
	}
}

// subset wants the later export to hold records of the earlier one and no others.
func (w *world) subset(before, now exported, without int) {
	had := map[string]bool{}
	for _, r := range before {
		had[r.resource+string(r.wire)] = true
	}
	for _, r := range now {
		if !had[r.resource+string(r.wire)] {
			w.errorf("erasing an item changes a record of %s", r.resource)
		}
	}
	if len(now) != len(before)-without {
		w.errorf("of %d records %d are left, want %d", len(before), len(now), len(before)-without)
	}
}
