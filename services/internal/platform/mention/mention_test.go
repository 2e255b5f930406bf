package mention

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		"Ann Lee called":                   "[redacted] called",
		"ANN  LEE's lamp":                  "[redacted]'s lamp",
		"Ann&nbsp;Lee":                     "[redacted]",
		"ann\nlee":                         "[redacted]",
		"ann-marie o’lée":                  "[redacted]",
		"Ann-Marie O'Le\u0301e":            "[redacted]",
		"Joann Lee, Ann Leeds, Ann, Lee":   "",
		"Ann Marie O'Lée":                  "",
		`<img alt="Ann Lee" ann lee="x">`:  `<img alt="[redacted]" ann lee="x">`,
		`<em>Ann Lee</em><b ann lee>x</b>`: `<em>[redacted]</em><b ann lee>x</b>`,
		"[redacted] Ann Lee":               "[redacted] [redacted]",
	} {
		if want == "" {
			want = text
		}
		if got, _ := Redact(text, ann, true); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got, n := Redact("Ann Lee", ann, false); n != 0 {
		t.Errorf("names were not asked for: %q", got)
	}
	if got, n := Redact("a [redacted] b", Identifiers{Names: []string{"Redacted"}}, true); n != 0 {
		t.Errorf("a mark was replaced again: %q", got)
	}
	for _, tag := range Keys(Identifiers{Names: ann.Names}) {
		t.Errorf("a name has the key %q", tag)
	}
}

func TestKeys(t *testing.T) {
	want := []string{"e:ann.lee@example.org", "e:ann@bücher.example", "p:1234567", "p:5550123", "x:4711", "x:cust-0042", Overflow}
	if got := Keys(ann); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	if got := Keys(Identifiers{Emails: []string{"", "ann", "@x", "a b@c"}, Phones: []string{"", "12", "1234567890123456789"}, ExternalIDs: []string{"vip", "42"}}); got != nil {
		t.Errorf("keys of nothing: %q", got)
	}
	if got := Keys(Identifiers{ExternalIDs: []string{"Ann@Example.org."}}); !slices.Equal(got, []string{"e:ann@example.org", Overflow}) {
		t.Errorf("an address as external id: %q", got)
	}
}

func TestTagsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range MaxTags {
		fmt.Fprintf(&b, "p%d@example.org ", i)
	}
	exact := Tags(b.String(), b.String())
	if len(exact) != MaxTags || slices.Contains(exact, Overflow) {
		t.Errorf("%d tags, overflow %v", len(exact), slices.Contains(exact, Overflow))
	}
	b.WriteString("one.more@example.org ann.lee@example.org")
	more := Tags(b.String())
	if len(more) != MaxTags+1 || more[MaxTags] != Overflow {
		t.Fatalf("%d tags, the last is %q", len(more), more[len(more)-1])
	}
	if !meets(more, Keys(ann)) {
		t.Error("a text with too many tags is not found")
	}
}

// TestLongTexts wants tags from any line, however long.
func TestLongTexts(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	text := strings.Repeat(line, 700) + "mail ann.lee@example.org or call 0170 1234567\n" + strings.Repeat("x ", 100_000) + "CUST-0042"
	if tags := Tags(text); !slices.Equal(tags, []string{"e:ann.lee@example.org", "p:1234567", "x:0170", "x:1234567", "x:cust-0042"}) {
		t.Errorf("tags %q", tags)
	}
}

func TestValues(t *testing.T) {
	type doc struct {
		A string
		B *string
		C []string
		D map[string]any
		E map[string]string
		F []byte
		G int64
	}
	b := "ann.lee@example.org"
	d := doc{A: "x ann.lee@example.org", B: &b, C: []string{"a", "CUST-0042"}, F: []byte("ann.lee@example.org"), G: 491701234567,
		D: map[string]any{"phone": int64(491701234567), "f": 491701234567.0, "n": 5, "l": []any{"ann.lee@example.org", true, nil}, "m": map[string]any{"k": "CUST-0042"}},
		E: map[string]string{"From": "Ann <ann.lee@example.org>"}}
	if !meets(Tags(Texts(reflect.ValueOf(d.D))...), Keys(Identifiers{Phones: ann.Phones})) {
		t.Error("a number in a custom field is not found")
	}
	b2 := Mark
	want := doc{A: "x [redacted]", B: &b2, C: []string{"a", Mark}, F: []byte("ann.lee@example.org"),
		D: map[string]any{"phone": Mark, "f": Mark, "n": 5, "l": []any{Mark, true, nil}, "m": map[string]any{"k": Mark}},
		E: map[string]string{"From": "Ann <[redacted]>"}}
	n := RedactValue(reflect.ValueOf(&d).Elem(), ann, false)
	if n != 9 || !reflect.DeepEqual(d, want) {
		t.Errorf("%d replaced: %+v, want %+v", n, d, want)
	}
	if n := RedactValue(reflect.ValueOf(&d).Elem(), ann, true); n != 0 {
		t.Errorf("%d replaced again", n)
	}
}

// scraps are what drawn texts are made of: identifiers, near misses, separators and markup.
var scraps = []string{"ann.lee@example.org", "ann.lee%40example.org", "ann.lee&#64;example.org", "+491701234567", "0170", "1234567", "0170 1234567", "00",
	"CUST-0042", "crm:4711", "4711", "Ann", "Lee", " ", " ", "\n", "-", ".", "/", "(", ")", "(0)", ",", "@", "+", "_", "'", "&", "%", ";", "<b>", "</b>", `<a href="`, `">`,
	"<ann.lee@example.org>", "0", "7", "ü", "u\u0308", "\u00ad", "x", "=", "example.org", Mark, "[", "]", "&lt;", "%3C", "\xff"}

func drawText(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps), 0, 25).Draw(t, "scraps"), "")
}

// TestProperties: what Redact finds a tag leads to; it finds all at once; it
// changes nothing else; and HTML stays whole.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		properties(t, text)
		if strings.Contains(text, "<ann") {
			return // a browser takes that for an element, too, and what becomes of it for text
		}
		full, _ := Redact(text, ann, true)
		if a, b := elements(text), elements(full); !slices.Equal(a, b) {
			t.Fatalf("elements %q of %q became %q in %q", a, text, b, full)
		}
	})
}

func FuzzRedact(f *testing.F) {
	for _, tc := range corpus {
		f.Add(tc.text)
	}
	f.Add("&#" + strings.Repeat("0", 40) + "64;")
	f.Fuzz(func(t *testing.T, text string) { properties(t, text) })
}

func properties(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	out, n := Redact(text, ann, false)
	if n > 0 && !meets(Tags(text), Keys(ann)) {
		t.Fatalf("no tag leads to %q, of which %d were replaced", text, n)
	}
	if n == 0 && out != text {
		t.Fatalf("nothing replaced, and %q became %q", text, out)
	}
	if again, k := Redact(out, ann, false); k != 0 {
		t.Fatalf("%q became %q, and that %q", text, out, again)
	}
	rest := text // what is between the marks was there, in this order
	for _, part := range strings.Split(out, Mark) {
		i := strings.Index(rest, part)
		if i < 0 {
			t.Fatalf("%q became %q: %q was not there", text, out, part)
		}
		rest = rest[i+len(part):]
	}
}

// elements are the names of elements and attributes a browser sees.
func elements(page string) (out []string) {
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		if z.Next() == html.ErrorToken {
			if !errors.Is(z.Err(), io.EOF) {
				out = append(out, "broken")
			}
			return out
		}
		if tok := z.Token(); tok.Type == html.StartTagToken || tok.Type == html.EndTagToken || tok.Type == html.SelfClosingTagToken {
			out = append(out, tok.Data)
		}
	}
}

// BenchmarkTags prints how fast ordinary text is looked through when it is written.
func BenchmarkTags(b *testing.B) {
	text := strings.Repeat("Dear Ann, thank you for calling on 24 November; the lamp &amp; the bill 2026-0815 went to ann.lee@example.org, or call +49 170 1234567.\n", 75)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Tags(text)
	}
}
