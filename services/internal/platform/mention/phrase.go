package mention

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// phrase is an external id or a name: words and what stands between them.
type phrase struct {
	words, gaps []string
	// key is the word it is indexed by; numeric says that all is one number.
	key     string
	numeric bool
}

// minTelling is how long a piece must be to tell somebody apart.
const minTelling = 4

// telling reports whether a piece looks like an identifier.
func telling(s string) bool {
	return utf8.RuneCountInString(s) >= minTelling && strings.ContainsFunc(s, digit)
}

func inPiece(r rune) bool { return letter(r) || digit(r) || r == '-' || r == '_' }
func inWord(r rune) bool  { return letter(r) || digit(r) }

// pieces finds runs of letters, digits, hyphens and underscores outside addresses.
func (v *view) pieces() []span {
	var out []span
	for _, s := range v.split(inPiece) {
		for s.from < s.to && (v.r[s.from] == '-' || v.r[s.from] == '_') {
			s.from++
		}
		for s.to > s.from && (v.r[s.to-1] == '-' || v.r[s.to-1] == '_') {
			s.to--
		}
		if s.from < s.to && !v.inAddress(s) {
			out = append(out, s)
		}
	}
	return out
}

func (v *view) split(in func(rune) bool) (out []span) {
	for i := 0; i < len(v.r); {
		from := i
		for i < len(v.r) && in(v.r[i]) {
			i++
		}
		if i > from {
			out = append(out, span{from, i})
		} else {
			i++
		}
	}
	return out
}

// gap is what stands between two words, a row of blanks as one.
func (v *view) gap(a, b span) string {
	if b.from-a.to > 8 {
		return "\x00" // longer than any gap that is compared
	}
	return strings.Join(strings.FieldsFunc(" "+string(v.r[a.to:b.from])+" ", blank), " ") + blankEnds(v.r[a.to:b.from])
}

func blank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// blankEnds tells "a -b" from "a-b".
func blankEnds(r []rune) string {
	s := ""
	if len(r) > 0 && blank(r[0]) {
		s = "<"
	}
	if len(r) > 0 && blank(r[len(r)-1]) {
		s += ">"
	}
	return s
}

func parsePhrase(s string, split func(*view) []span) (p phrase) {
	v := plainView(s)
	spans := split(v)
	for i, sp := range spans {
		p.words = append(p.words, v.fold(sp))
		if i > 0 {
			p.gaps = append(p.gaps, v.gap(spans[i-1], sp))
		}
	}
	return p
}

// parseExternal reads an external id; its longest telling piece is the key.
func parseExternal(s string) (phrase, bool) {
	p := parsePhrase(s, (*view).pieces)
	for _, w := range p.words {
		if telling(w) && len(w) > len(p.key) {
			p.key = w
		}
	}
	p.numeric = len(p.words) == 1 && !strings.ContainsFunc(p.key, func(r rune) bool { return !digit(r) })
	return p, p.key != ""
}

// parseName reads a name of at least two letters.
func parseName(s string) (phrase, bool) {
	p := parsePhrase(s, func(v *view) []span { return v.split(inWord) })
	return p, utf8.RuneCountInString(strings.Join(p.words, "")) >= 2
}

// find reports the spans of a text's words that are this phrase.
func (p phrase) find(v *view, spans []span, texts []string, found func(span)) {
	for i := 0; i+len(p.words) <= len(spans); i++ {
		if p.at(v, spans[i:], texts[i:]) {
			found(span{spans[i].from, spans[i+len(p.words)-1].to})
		}
	}
}

func (p phrase) at(v *view, spans []span, texts []string) bool {
	for i, w := range p.words {
		if texts[i] != w || i > 0 && p.gaps[i-1] != v.gap(spans[i-1], spans[i]) {
			return false
		}
	}
	return !p.numeric || !v.partOfNumber(spans[0])
}

// partOfNumber reports whether digits are part of a decimal fraction or of a telephone number.
func (v *view) partOfNumber(s span) bool {
	point := func(r rune) bool { return r == '.' || r == ',' }
	if point(v.rune(s.to)) && digit(v.rune(s.to+1)) || point(v.rune(s.from-1)) && digit(v.rune(s.from-2)) {
		return true
	}
	i := sort.Search(len(v.numbers), func(i int) bool { return v.numbers[i].groups[0].from > s.from })
	if i == 0 || len(v.numbers[i-1].groups) == 1 {
		return false
	}
	groups := v.numbers[i-1].groups
	first := groups[0].from
	return groups[len(groups)-1].to >= s.to && (v.r[first] == '0' || v.rune(first-1) == '+')
}
