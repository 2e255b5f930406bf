package mention

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// maxRounds bounds how often a text is looked at again: what is replaced may
// uncover what it was part of.
const maxRounds = 8

// Redact replaces every occurrence of the identifiers by Mark, of the names too
// if names is set, and returns how many it replaced. All other bytes stay as they
// are; names of elements and attributes are never touched, so HTML stays whole.
// A second Redact finds nothing.
func Redact(text string, ids Identifiers, names bool) (string, int) {
	p := prepare(ids, names)
	if len(p.mails)+len(p.phones)+len(p.externals)+len(p.names) == 0 {
		return text, 0
	}
	total := 0
	for range maxRounds {
		out, n := p.redact(text)
		if text = out; n == 0 {
			break
		}
		total += n
	}
	return text, total
}

func (p prepared) redact(text string) (string, int) {
	v := newView(text)
	found := p.spans(v)
	if len(found) == 0 {
		return text, 0
	}
	v.markup()
	var b strings.Builder
	end, n := 0, 0
	for _, s := range found {
		from, to := v.at[s.from], v.at[s.to]
		if from < end || from == to || v.isKept(span{from, to}) || strings.HasSuffix(text[:from], "[") && text[from:to] == "redacted" && strings.HasPrefix(text[to:], "]") {
			continue
		}
		b.WriteString(text[end:from])
		b.WriteString(Mark)
		end = to
		n++
	}
	b.WriteString(text[end:])
	return b.String(), n
}

// isKept reports whether a span of src touches markup; kept is in order.
func (v *view) isKept(s span) bool {
	i := sort.Search(len(v.kept), func(i int) bool { return v.kept[i].to > s.from })
	return i < len(v.kept) && v.kept[i].from < s.to
}

// spans finds all occurrences, those that overlap as one, in order.
func (p prepared) spans(v *view) (out []span) {
	add := func(s span) { out = append(out, s) }
	v.addresses()
	for _, a := range v.mails {
		for i, form := range a.forms {
			if p.mails[form] {
				add(span{a.starts[i], a.to})
				break
			}
		}
	}
	v.findNumbers()
	for i := 0; len(p.phones) > 0 && i < len(v.numbers); i++ {
		v.numbers[i].find(v, p.phones, add)
	}
	p.phrases(v, p.externals, (*view).pieces, add)
	p.phrases(v, p.names, func(v *view) []span { return v.split(inWord) }, add)
	slices.SortFunc(out, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	merged := out[:0]
	for _, s := range out {
		if n := len(merged); n > 0 && s.from < merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

func (prepared) phrases(v *view, phrases []phrase, split func(*view) []span, add func(span)) {
	if len(phrases) == 0 {
		return
	}
	spans := split(v)
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = v.fold(s)
	}
	for _, p := range phrases {
		p.find(v, spans, texts, add)
	}
}
