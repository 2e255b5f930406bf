package mention

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
	"golang.org/x/text/unicode/norm"
)

// view is a text as its reader sees it, in lower case, with the way back to its
// bytes: entities and percent signs are decoded, what is invisible is left out.
type view struct {
	src string
	r   []rune
	// at[i] is where r[i] begins in src; at[len(r)] is the end.
	at []int
	// kept are the bytes of src that belong to markup: names of elements and attributes.
	kept []span

	mails   []address
	numbers []digits
}

// span is from (inclusive) to (exclusive).
type span struct{ from, to int }

func newView(src string) *view {
	v := &view{r: make([]rune, 0, len(src)), at: make([]int, 0, len(src)+1)}
	v.read(src)
	return v
}

// read makes it the view of another text.
func (v *view) read(src string) {
	v.src, v.r, v.at, v.kept, v.mails, v.numbers = src, v.r[:0], v.at[:0], v.kept[:0], v.mails[:0], v.numbers[:0]
	for i := 0; i < len(src); {
		switch src[i] {
		case '&':
			i += v.entity(i)
		case '%':
			i += v.percent(i)
		default:
			if c := src[i]; c < utf8.RuneSelf {
				if c >= 'A' && c <= 'Z' {
					c |= 0x20
				}
				v.r, v.at = append(v.r, rune(c)), append(v.at, i)
				i++
				continue
			}
			r, n := utf8.DecodeRuneInString(src[i:])
			v.add(r, i)
			i += n
		}
	}
	v.at = append(v.at, len(src))
}

// plainView is the view of an identifier: nothing in it is encoded.
func plainView(s string) *view {
	v := &view{src: s}
	for i, r := range s {
		v.add(r, i)
	}
	v.at = append(v.at, len(s))
	return v
}

// add appends a rune in the form that is compared.
func (v *view) add(r rune, at int) {
	switch {
	case r == 0xAD || r >= 0x200B && r <= 0x200D || r == 0x2060 || r == 0xFEFF:
		return // invisible
	case r >= 0xFF01 && r <= 0xFF5E:
		r -= 0xFEE0 // full width
	case r >= 0x0660 && r <= 0x0669:
		r -= 0x0660 - '0'
	case r >= 0x06F0 && r <= 0x06F9:
		r -= 0x06F0 - '0'
	case r == 0x2019 || r == 0x02BC:
		r = '\''
	case r >= 0x2010 && r <= 0x2015 || r == 0x2212:
		r = '-'
	case r == 0xA0 || r >= 0x2000 && r <= 0x200A || r == 0x202F || r == 0x3000:
		r = ' '
	}
	v.r, v.at = append(v.r, unicode.ToLower(r)), append(v.at, at)
}

// maxEntity is longer than the name of any entity.
const maxEntity = 34

// entity decodes one at i and returns its length; an ampersand alone is one rune.
func (v *view) entity(i int) int {
	if end := strings.IndexByte(v.src[i:min(len(v.src), i+maxEntity)], ';'); end > 1 {
		raw := v.src[i : i+end+1]
		if plain := html.UnescapeString(raw); plain != raw {
			for _, r := range plain {
				v.add(r, i)
			}
			return len(raw)
		}
	}
	v.add('&', i)
	return 1
}

// percent decodes as many %XX in a row as make whole characters.
func (v *view) percent(i int) int {
	var raw [utf8.UTFMax]byte
	n := 0
	for n < len(raw) {
		b, ok := hexByte(v.src[i+3*n:])
		if !ok {
			break
		}
		raw[n] = b
		if n++; utf8.FullRune(raw[:n]) {
			break
		}
	}
	r, size := utf8.DecodeRune(raw[:n])
	if n == 0 || size != n || r == utf8.RuneError {
		v.add('%', i)
		return 1
	}
	v.add(r, i)
	return 3 * n
}

func hexByte(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	hi, lo := strings.IndexByte(hexDigits, s[1]|0x20), strings.IndexByte(hexDigits, s[2]|0x20)
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

const hexDigits = "0123456789abcdef"

// fold is the text of a span in composed form.
func (v *view) fold(s span) string { return norm.NFC.String(string(v.r[s.from:s.to])) }

// rune returns the rune at i, a blank beyond the ends.
func (v *view) rune(i int) rune {
	if i < 0 || i >= len(v.r) {
		return ' '
	}
	return v.r[i]
}

func (v *view) hasDigit(s span) bool { return slices.ContainsFunc(v.r[s.from:s.to], digit) }

func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' // a view is in lower case
	}
	return unicode.IsLetter(r) || unicode.IsMark(r)
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

// markup finds what of the text is names of elements and attributes: replacing
// there would break the page.
func (v *view) markup() {
	for i := 0; ; {
		open := strings.IndexByte(v.src[i:], '<')
		if open < 0 {
			return
		}
		i += open
		name := i + 1
		if name < len(v.src) && v.src[name] == '/' {
			name++
		}
		end := name
		for end < len(v.src) && (v.src[end]|0x20 >= 'a' && v.src[end]|0x20 <= 'z' || v.src[end] >= '0' && v.src[end] <= '9') {
			end++
		}
		// "<ann@example.org>" and "<CUST-0042>" are text
		if atom.Lookup([]byte(strings.ToLower(v.src[name:end]))) == 0 || end < len(v.src) && !strings.ContainsRune(" \t\r\n\f/>", rune(v.src[end])) {
			i++
			continue
		}
		v.kept = append(v.kept, span{i, end})
		i = v.attributes(end)
	}
}

// attributes goes over a tag from behind its name and returns its end.
func (v *view) attributes(i int) int {
	for i < len(v.src) && v.src[i] != '>' {
		from := i
		for i < len(v.src) && v.src[i] != '=' && v.src[i] != '>' {
			i++
		}
		v.kept = append(v.kept, span{from, i})
		if i == len(v.src) || v.src[i] == '>' {
			break
		}
		for i++; i < len(v.src) && strings.ContainsRune(" \t\r\n\f", rune(v.src[i])); {
			i++
		}
		if i == len(v.src) {
			break
		}
		ends := " \t\r\n\f>"
		if q := v.src[i]; q == '"' || q == '\'' {
			ends = string(rune(q))
			i++
		}
		end := strings.IndexAny(v.src[i:], ends)
		if end < 0 {
			return len(v.src)
		}
		if i += end; v.src[i] != '>' {
			i++
		}
	}
	return i
}
