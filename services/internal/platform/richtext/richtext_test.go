package richtext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for html, want := range map[string]string{
		"":                                 "",
		"plain":                            "plain",
		"<div>One</div><div>Two</div>":     "One\nTwo",
		"<p>a  b\n c</p>":                  "a b\nc",
		"a<br>b<br/>c":                     "a\nb\nc",
		"x &amp; y &lt;z&gt; &nbsp;":       "x & y <z>",
		"<b>bo</b>ld":                      "bold",
		"<script>evil()</script>seen":      "seen",
		"<style>p{}</style><p>seen</p>":    "seen",
		"<ul><li>one<li>two</ul>":          "one\ntwo",
		"a < b":                            "a < b",
		"<!-- hidden -->shown":             "shown",
		"<img alt=\"picture\" src=x>after": "after",
	} {
		if got := Text(html); got != want {
			t.Errorf("%q: got %q, want %q", html, got, want)
		}
	}
}

func TestNormal(t *testing.T) {
	for in, want := range map[string]string{
		"":             "<div></div>",
		"hello":        "<div>hello</div>",
		"<p>x</p>":     "<p>x</p>",
		" <div>x":      " <div>x",
		"< 3":          "<div>< 3</div>",
		"1 <b>2</b>":   "<div>1 <b>2</b></div>",
		"<":            "<div><</div>",
		"<!-- x --> y": "<!-- x --> y",
	} {
		if got := Normal(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"<p>x</p>", "<script>x", "a&amp", "<<<>>>", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(Normal(s))
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q became invalid text %q", s, got)
		}
		if strings.Contains(got, "\n\n") || strings.TrimSpace(got) != got {
			t.Errorf("%q is not tidy: %q", s, got)
		}
		if again := Normal(Normal(s)); again != Normal(s) {
			t.Errorf("%q is wrapped twice", s)
		}
	})
}
