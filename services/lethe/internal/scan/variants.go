package scan

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// maxCased is how many letters beyond ASCII get every mixture of cases; a needle
// with more of them is sought as given, in lower, upper and title case.
const maxCased = 6

// charset is how the characters of a needle are laid out as bytes.
type charset uint8

const (
	utf8Set charset = iota
	utf16LE
	utf16BE
	latin1
)

var charsetNames = [...]string{"utf-8", "utf-16le", "utf-16be", "latin-1"}

// spelling is one byte form of a needle, folded.
type spelling struct {
	bytes string
	text  string
	set   charset
}

// spellings returns the distinct folded byte forms of a needle: every case of
// its letters beyond ASCII (the fold covers ASCII), both Unicode normal forms,
// all character sets.
func spellings(needle string) []spelling {
	seen := map[string]bool{}
	var out []spelling
	add := func(raw, text string, set charset) {
		folded := foldString(raw)
		key := string(rune('0'+set)) + folded
		if len(raw) < MinNeedle || seen[key] {
			return
		}
		seen[key] = true
		out = append(out, spelling{bytes: folded, text: text, set: set})
	}
	for _, form := range []string{needle, norm.NFC.String(needle), norm.NFD.String(needle)} {
		for _, text := range cases(form) {
			add(text, text, utf8Set)
			add(encode16(text, false), text, utf16LE)
			add(encode16(text, true), text, utf16BE)
			if raw, ok := encodeLatin1(text); ok {
				add(raw, text, latin1)
			}
		}
	}
	return out
}

// cases returns the spellings of s that differ in the case of letters beyond ASCII.
func cases(s string) []string {
	letters := []rune(s)
	var cased []int
	for i, r := range letters {
		if r >= 0x80 && unicode.SimpleFold(r) != r {
			cased = append(cased, i)
		}
	}
	if len(cased) == 0 {
		return []string{s}
	}
	if len(cased) > maxCased {
		return []string{s, strings.ToLower(s), strings.ToUpper(s), titleCase(s)}
	}
	out := []string{s}
	for _, i := range cased {
		grown := out
		for _, have := range out {
			rs := []rune(have)
			for r := unicode.SimpleFold(letters[i]); r != letters[i]; r = unicode.SimpleFold(r) {
				rs[i] = r
				grown = append(grown, string(rs))
			}
		}
		out = grown
	}
	return out
}

func titleCase(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		first := start
		start = !unicode.IsLetter(r)
		if first {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func encode16(s string, big bool) string {
	units := utf16.Encode([]rune(s))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

func decode16(b []byte, big bool) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		lo, hi := b[2*i], b[2*i+1]
		if big {
			lo, hi = hi, lo
		}
		units[i] = uint16(hi)<<8 | uint16(lo)
	}
	return string(utf16.Decode(units))
}

// encodeLatin1 says no when a letter does not exist there, or when the bytes are
// those of UTF-8 anyway.
func encodeLatin1(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	beyond := false
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		beyond = beyond || r >= 0x80
		out = append(out, byte(r))
	}
	return string(out), beyond
}
