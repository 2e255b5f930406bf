package mention

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// address is something that looks like an e-mail address.
type address struct {
	// span is its longest form; starts are where the forms begin.
	span
	starts []int
	forms  []string
}

// narrow are the characters of nearly every local part; wide are those that
// stand there, too, but more often are no part of it.
func narrow(r rune) bool { return letter(r) || digit(r) || strings.ContainsRune("._-+'", r) }
func wide(r rune) bool   { return narrow(r) || strings.ContainsRune("!#$%&*/=?^`{|}~", r) }

func inDomain(r rune) bool { return letter(r) || digit(r) || r == '-' || r == '.' }

// maxLocal and maxDomain bound how far an address reaches.
const (
	maxLocal  = 128
	maxDomain = 255
)

// addresses finds all of them.
func (v *view) addresses() {
	for i, r := range v.r {
		if r == '@' {
			v.address(i)
		}
	}
}

// address reads the one around the @ at i. What stands in front of it decides
// which forms it has: "=ann@", "_ann@" and "ann@" may all mean ann.
func (v *view) address(at int) {
	end := at + 1
	for end < len(v.r) && inDomain(v.r[end]) && end-at <= maxDomain && !(v.r[end] == '.' && v.rune(end+1) == '.') {
		end++
	}
	for end > at+1 && (v.r[end-1] == '.' || v.r[end-1] == '-') {
		end--
	}
	back := func(from int, ok func(rune) bool) int {
		for from > 0 && at-from < maxLocal && ok(v.r[from-1]) {
			from--
		}
		for from < at && v.r[from] == '.' {
			from++
		}
		return from
	}
	widest, usual := back(at, wide), back(at, narrow)
	trimmed := usual
	for trimmed < at && !letter(v.r[trimmed]) && !digit(v.r[trimmed]) {
		trimmed++
	}
	if end == at+1 || widest == at {
		return
	}
	a := address{span: span{widest, end}}
	domain := foldDomain(v.fold(span{at + 1, end}))
	for _, from := range []int{widest, usual, trimmed} {
		if n := len(a.starts); from < at && (n == 0 || a.starts[n-1] != from) {
			a.starts = append(a.starts, from)
			a.forms = append(a.forms, v.fold(span{from, at})+"@"+domain)
		}
	}
	v.mails = append(v.mails, a)
}

// foldDomain brings a domain into its readable form.
func foldDomain(s string) string {
	s = strings.TrimRight(s, ".")
	if strings.Contains(s, "xn--") {
		if plain, err := idna.ToUnicode(s); err == nil {
			s = norm.NFC.String(plain)
		}
	}
	return s
}

// foldAddress brings an identifier into the form of address.forms, "" if it is no address.
func foldAddress(s string) string {
	v := plainView(strings.TrimPrefix(strings.TrimSpace(s), "mailto:"))
	text := v.fold(span{0, len(v.r)})
	at := strings.LastIndexByte(text, '@')
	if at < 1 {
		return ""
	}
	domain := foldDomain(text[at+1:])
	if domain == "" || strings.ContainsFunc(text, func(r rune) bool { return r == ' ' }) {
		return ""
	}
	return text[:at] + "@" + domain
}
