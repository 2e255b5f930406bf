// Package richtext brings what clients write as HTML into the two forms that
// are stored: HTML, and the same without markup.
package richtext

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Normal returns text as HTML: what begins with a tag stays as it is, plain
// text is escaped no further and wrapped in a div, as Freshdesk does.
func Normal(s string) string {
	if t := strings.TrimSpace(s); len(t) > 1 && t[0] == '<' && (t[1] == '!' || t[1]|0x20 >= 'a' && t[1]|0x20 <= 'z') {
		return s
	}
	return "<div>" + s + "</div>"
}

// breaks are the elements that end a line.
var breaks = map[atom.Atom]bool{
	atom.Br: true, atom.P: true, atom.Div: true, atom.Li: true, atom.Tr: true, atom.H1: true, atom.H2: true, atom.H3: true,
	atom.H4: true, atom.H5: true, atom.H6: true, atom.Blockquote: true, atom.Pre: true, atom.Ul: true, atom.Ol: true, atom.Table: true,
}

// silent are the elements whose text nobody reads.
var silent = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Head: true, atom.Title: true, atom.Template: true}

// Text returns what a reader sees of HTML: no tags, no scripts, entities
// resolved, runs of blanks as one, block elements as ends of lines.
func Text(s string) string {
	z := html.NewTokenizer(strings.NewReader(s))
	var b strings.Builder
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return tidy(b.String())
		case html.TextToken:
			if hidden == 0 {
				b.WriteString(html.UnescapeString(string(z.Raw())))
			}
		case html.StartTagToken:
			name := nameOf(z)
			if silent[name] {
				hidden++
			}
			lineEnd(&b, name)
		case html.EndTagToken:
			name := nameOf(z)
			if silent[name] && hidden > 0 {
				hidden--
			}
			lineEnd(&b, name)
		case html.SelfClosingTagToken:
			lineEnd(&b, nameOf(z))
		}
	}
}

func nameOf(z *html.Tokenizer) atom.Atom {
	name, _ := z.TagName()
	return atom.Lookup(name)
}

func lineEnd(b *strings.Builder, name atom.Atom) {
	if breaks[name] {
		b.WriteByte('\n')
	}
}

// tidy trims lines, joins runs of blanks and drops empty lines.
func tidy(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
