// Package mention finds a person's identifiers in other people's text: e-mail
// addresses, telephone numbers and external ids. Tags says under which keys a
// text is to be found, Keys under which a person's identifiers are, and Redact
// replaces exactly the occurrences.
//
// What is found, and what is not, is written down as a corpus (corpus_test.go):
//
//   - An address in any case, composed or not, with dots behind it, in HTML with
//     entities, in mailto links, percent-encoded, in international or ASCII form.
//     Not: one written out ("ann at example.org"), one cut by markup or by a
//     line's end, one glued to the next sentence without a blank. An address with
//     more in front ("joann@", "ann+shop@") or behind is another address.
//   - A telephone number of 7 to 15 digits with blanks, hyphens, dots, slashes or
//     brackets between them. It is the same number with a country code (+49, 0049)
//     as without, if what is left is the same; without any sign of which it is,
//     if the last 9 digits or more are the same. Not: a number without its area code.
//   - An external id that holds a piece of at least four letters, digits, hyphens
//     or underscores with a digit among them. Not: any other, it would be too common.
//   - Names are replaced where they stand word by word, and no key leads to them.
package mention

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxTags is how many distinct tags a text has at most, beside Overflow.
const MaxTags = 512

// Overflow is the tag of texts with more than MaxTags tags. Every search asks for it, too.
const Overflow = "o:"

// Mark is what Redact puts in place of an identifier.
const Mark = "[redacted]"

// Identifiers are what may identify a person in somebody else's text, as the person's record has them.
type Identifiers struct {
	Emails, Phones, ExternalIDs []string
	// Names are full names; they are replaced on demand and never searched for.
	Names []string
}

// Tags returns the distinct tags of texts, in the order in which they occur: at
// most MaxTags, and Overflow behind them if there were more.
func Tags(texts ...string) []string {
	c := collector{seen: map[string]bool{}, v: &view{}}
	for _, text := range texts {
		for text != "" && !c.full {
			// nothing reaches over the end of a line
			var line string
			line, text, _ = strings.Cut(text, "\n")
			if strings.ContainsFunc(line, promising) {
				c.text(line)
			}
		}
	}
	return c.tags
}

// promising reports whether a character may be part of something that has a tag, or hide one.
func promising(r rune) bool {
	return r == '@' || r == '&' || r == '%' || digit(r) || r >= utf8.RuneSelf
}

// collector gathers distinct tags.
type collector struct {
	tags []string
	seen map[string]bool
	full bool
	// v is used for one line after the other.
	v *view
}

func (c *collector) add(tag string) {
	switch {
	case c.full || c.seen[tag]:
	case len(c.tags) == MaxTags:
		c.tags, c.full = append(c.tags, Overflow), true
	default:
		c.seen[tag] = true
		c.tags = append(c.tags, tag)
	}
}

func (c *collector) text(s string) {
	v := c.v
	v.read(s)
	v.addresses()
	for i := range v.mails {
		for _, form := range v.mails[i].forms {
			c.add("e:" + form)
		}
	}
	v.findNumbers()
	for i := range v.numbers {
		for _, tail := range v.numbers[i].tails(v) {
			c.add("p:" + tail)
		}
	}
	for _, p := range v.pieces() {
		if v.hasDigit(p) {
			if text := v.fold(p); telling(text) {
				c.add("x:" + text)
			}
		}
	}
}

// Keys returns the tags under which texts with one of these identifiers are
// found, Overflow among them; nil when there is nothing to look for. Texts found
// so may hold other people's identifiers instead: a telephone number's key is its last digits.
func Keys(ids Identifiers) []string {
	var out []string
	p := prepare(ids, false)
	for mail := range p.mails {
		out = append(out, "e:"+mail)
	}
	for _, n := range p.phones {
		out = append(out, "p:"+n.tail())
	}
	for _, x := range p.externals {
		out = append(out, "x:"+x.key)
	}
	if out == nil {
		return nil
	}
	slices.Sort(out)
	return append(slices.Compact(out), Overflow)
}

// prepared are identifiers in the forms that are compared.
type prepared struct {
	mails     map[string]bool
	phones    []number
	externals []phrase
	names     []phrase
}

func prepare(ids Identifiers, names bool) prepared {
	p := prepared{mails: map[string]bool{}}
	for _, s := range ids.Emails {
		if f := foldAddress(s); f != "" {
			p.mails[f] = true
		}
	}
	for _, s := range ids.Phones {
		if n, ok := parsePhone(s); ok {
			p.phones = append(p.phones, n)
		}
	}
	for _, s := range ids.ExternalIDs {
		if f := foldAddress(s); f != "" {
			p.mails[f] = true
		} else if x, ok := parseExternal(s); ok {
			p.externals = append(p.externals, x)
		}
	}
	if !names {
		return p
	}
	for _, s := range ids.Names {
		if x, ok := parseName(s); ok {
			p.names = append(p.names, x)
		}
	}
	return p
}
