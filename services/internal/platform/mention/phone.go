package mention

import (
	"sort"
	"strings"
)

// The fewest and the most digits of a telephone number, and how many of the last
// ones are its key: as many as the shortest has, so that every form of it has the same.
const (
	minDigits = 7
	maxDigits = 17 // with a country code behind 00
)

// number is a telephone number.
type number struct {
	digits string
	kind   kind
}

// kind says what is known of a number's first digits.
type kind uint8

const (
	unknown       kind = iota // no sign of it
	national                  // began with one 0
	international             // began with + or 00
)

func (n number) tail() string { return n.digits[len(n.digits)-minDigits:] }

// newNumber reads digits; it answers false for what is too short or too long.
func newNumber(digits string, plus bool) (number, bool) {
	n := number{digits: digits}
	switch {
	case plus:
		n.kind = international
	case strings.HasPrefix(digits, "00"):
		n.kind, n.digits = international, strings.TrimLeft(digits, "0")
	case strings.HasPrefix(digits, "0"):
		n.kind, n.digits = national, digits[1:]
	}
	return n, len(n.digits) >= minDigits && len(n.digits) <= maxDigits-2
}

// same reports whether two numbers are one: with and without a country code of
// one to three digits. A number that does not say what it is must share nine digits.
func (n number) same(m number) bool {
	if len(n.digits) > len(m.digits) {
		n, m = m, n
	}
	if len(n.digits) == len(m.digits) {
		return n.digits == m.digits && (n.kind == m.kind || n.kind == unknown || m.kind == unknown)
	}
	code := len(m.digits) - len(n.digits)
	return code <= 3 && strings.HasSuffix(m.digits, n.digits) && n.kind != international && m.kind != national &&
		(len(n.digits) >= 9 || n.kind == national && m.kind == international)
}

// parsePhone reads an identifier.
func parsePhone(s string) (number, bool) {
	v := plainView(strings.TrimSpace(s))
	v.findNumbers()
	for _, d := range v.numbers {
		text, plus := d.text(v, 0, len(d.groups)-1)
		if n, ok := newNumber(text, plus); ok {
			return n, true
		}
	}
	return number{}, false
}

// digits are groups of digits with separators between them.
type digits struct{ groups []span }

// separator reports whether a rune may stand inside a telephone number.
func separator(r rune) bool { return r == ' ' || r == '\t' || strings.ContainsRune("-./()", r) }

// maxGap is the most separators in a row.
const maxGap = 4

// findNumbers finds runs of groups that could be telephone numbers. Digits that
// hang on letters, as in ids, are none, nor are their neighbours without a blank between.
func (v *view) findNumbers() {
	for i := 0; i < len(v.r); {
		if !digit(v.r[i]) {
			i++
			continue
		}
		var run []span
		for {
			from := i
			for i < len(v.r) && digit(v.r[i]) {
				i++
			}
			run = append(run, span{from, i})
			next := i
			for next < len(v.r) && next-i < maxGap && separator(v.r[next]) {
				next++
			}
			if next == i || next >= len(v.r) || !digit(v.r[next]) {
				break
			}
			i = next
		}
		v.clean(run)
	}
}

// clean keeps of a run what does not hang on letters or on an address.
func (v *view) clean(run []span) {
	bad := make([]bool, len(run))
	for i, g := range run {
		before, after := v.rune(g.from-1), v.rune(g.to)
		sum := before == '+' && (letter(v.rune(g.from-2)) || digit(v.rune(g.from-2)))
		bad[i] = letter(before) || letter(after) || before == '_' || after == '_' || sum || v.inAddress(g)
	}
	for i := 1; i < len(run); i++ { // taint goes on over what has no blank in it
		bad[i] = bad[i] || bad[i-1] && !v.apart(run[i-1], run[i])
	}
	for i := len(run) - 2; i >= 0; i-- {
		bad[i] = bad[i] || bad[i+1] && !v.apart(run[i], run[i+1])
	}
	for from := 0; from < len(run); {
		to := from
		for to < len(run) && !bad[to] {
			to++
		}
		if to > from {
			v.numbers = append(v.numbers, digits{run[from:to]})
		}
		from = to + 1
	}
}

// apart reports whether there is a blank between two groups.
func (v *view) apart(a, b span) bool {
	for _, r := range v.r[a.to:b.from] {
		if r == ' ' || r == '\t' {
			return true
		}
	}
	return false
}

func (v *view) inAddress(s span) bool {
	// they are in order: only the last one that begins before s can reach it
	i := sort.Search(len(v.mails), func(i int) bool { return v.mails[i].from > s.from })
	return i > 0 && v.mails[i-1].to > s.from
}

// ends reports whether a number may end with group i.
func (d digits) ends(v *view, i int) bool {
	return i == len(d.groups)-1 || v.apart(d.groups[i], d.groups[i+1])
}

// begins reports whether a number may begin with group i. Behind a country code
// only one with a 0 of its own does: the rest of a foreign number is nobody's here.
func (d digits) begins(v *view, i int) bool {
	if i == 0 {
		return true
	}
	first := d.groups[0]
	foreign := v.rune(first.from-1) == '+' || v.r[first.from] == '0' && v.rune(first.from+1) == '0'
	return v.apart(d.groups[i-1], d.groups[i]) && (!foreign || v.r[d.groups[i].from] == '0')
}

// trunk reports whether group i is the "(0)" of a number with a country code.
func (d digits) trunk(v *view, i int) bool {
	g := d.groups[i]
	return g.to-g.from == 1 && v.r[g.from] == '0' && v.rune(g.from-1) == '(' && v.rune(g.to) == ')'
}

// text joins groups from to last and says whether a plus stands before them.
func (d digits) text(v *view, from, last int) (text string, plus bool) {
	var b strings.Builder
	for i := from; i <= last; i++ {
		if i == from || !d.trunk(v, i) {
			b.WriteString(string(v.r[d.groups[i].from:d.groups[i].to]))
		}
	}
	return b.String(), v.rune(d.groups[from].from-1) == '+'
}

// tails are the keys of the numbers that may end in it.
func (d digits) tails(v *view) (out []string) {
	tail := ""
	for i, g := range d.groups {
		if !d.trunk(v, i) {
			tail += string(v.r[g.from:g.to])
			tail = tail[max(0, len(tail)-minDigits):]
		}
		if len(tail) == minDigits && d.ends(v, i) {
			out = append(out, tail)
		}
	}
	return out
}

// find reports the spans of numbers that are one of phones.
func (d digits) find(v *view, phones []number, found func(span)) {
	for last := range d.groups {
		if !d.ends(v, last) {
			continue
		}
		for from, size := last, 0; from >= 0; from-- {
			if size += d.groups[from].to - d.groups[from].from; size > maxDigits+1 {
				break
			}
			if !d.begins(v, from) {
				continue
			}
			text, plus := d.text(v, from, last)
			n, ok := newNumber(text, plus)
			for i := 0; ok && i < len(phones); i++ {
				if n.same(phones[i]) {
					found(d.reach(v, from, last, plus))
					break
				}
			}
		}
	}
}

// reach is the span of groups with the plus and a bracket that belongs to them.
func (d digits) reach(v *view, from, last int, plus bool) span {
	s := span{d.groups[from].from, d.groups[last].to}
	if plus {
		s.from--
	}
	closes := false
	for _, r := range v.r[s.from:s.to] {
		if r == '(' {
			break
		}
		closes = closes || r == ')'
	}
	if closes && v.rune(s.from-1) == '(' {
		s.from--
	}
	return s
}
