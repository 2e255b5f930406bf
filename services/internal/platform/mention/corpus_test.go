package mention

import (
	"slices"
	"strings"
	"testing"
)

// ann is the person of the corpus.
var ann = Identifiers{
	Emails:      []string{"Ann.Lee@Example.org", "ann@bücher.example"},
	Phones:      []string{"+49 170 1234567", "(415) 555-0123"},
	ExternalIDs: []string{"CUST-0042", "crm:4711", "vip"},
	Names:       []string{"Ann Lee", "Ann-Marie O'Lée"},
}

// corpus is what is promised: text, and what Redact makes of it. Where both are
// equal nothing of Ann is in it, or it is one of the forms that are not found.
var corpus = []struct{ why, text, want string }{
	{"address", "Mail ann.lee@example.org now", "Mail [redacted] now"},
	{"any case", "ANN.LEE@EXAMPLE.ORG", "[redacted]"},
	{"end of a sentence", "Write to ann.lee@example.org.", "Write to [redacted]."},
	{"dots behind", "ann.lee@example.org... and so on", "[redacted]... and so on"},
	{"brackets", "Ann <ann.lee@example.org>, (ann.lee@example.org)", "Ann <[redacted]>, ([redacted])"},
	{"quotes and emphasis", `'ann.lee@example.org' _ann.lee@example.org_ *ann.lee@example.org*`, `'[redacted]' _[redacted]_ *[redacted]*`},
	{"parameter", "https://x.example/?email=ann.lee@example.org&a=1", "https://x.example/?email=[redacted]&a=1"},
	{"percent", "https://x.example/?email=ann.lee%40example.org", "https://x.example/?email=[redacted]"},
	{"mailto", `<a href="mailto:ann.lee%40example.org?subject=Hi%20all">ann.lee@example.org</a>`, `<a href="mailto:[redacted]?subject=Hi%20all">[redacted]</a>`},
	{"entities", "<p>ann.lee&#64;example.org ann&#x2e;lee&commat;example&period;org</p>", "<p>[redacted] [redacted]</p>"},
	{"full width and soft hyphens", "ann.lee＠exam\u00adple.org", "[redacted]"},
	{"domain in its own letters", "ann@bücher.example", "[redacted]"},
	{"the same, decomposed", "ann@bu\u0308cher.example", "[redacted]"},
	{"the same in ASCII", "ann@xn--bcher-kva.example", "[redacted]"},
	{"the same in percent", "mailto:ann@b%C3%BCcher.example", "mailto:[redacted]"},
	{"attribute without quotes", "<a href=mailto:ann.lee@example.org>x</a>", "<a href=mailto:[redacted]>x</a>"},
	{"longer in front", "joann.lee@example.org ann.lee.ann.lee@example.org", ""},
	{"longer behind", "ann.lee@example.org.evil.example ann.lee@example.orgs ann.lee@sub.example.org", ""},
	{"an address of its own", "ann.lee+shop@example.org", ""},
	{"other domain", "ann.lee@example.com ann.lee@xexample.org", ""},
	{"written out", "ann.lee (at) example.org, ann.lee at example dot org", ""},
	{"cut by markup", "ann.lee@<b>example</b>.org", ""},
	{"glued to the next sentence", "ann.lee@example.org.Thanks", ""},

	{"telephone", "Call +49 170 1234567 today", "Call [redacted] today"},
	{"no separators", "+491701234567", "[redacted]"},
	{"00", "0049-170-1234567", "[redacted]"},
	{"national", "0170/1234567, 0170 123 45 67, (0170) 1234567", "[redacted], [redacted], [redacted]"},
	{"both codes", "+49 (0)170 1234567", "[redacted]"},
	{"tel link", `<a href="tel:+491701234567">0170&nbsp;1234567</a>`, `<a href="tel:[redacted]">[redacted]</a>`},
	{"without a plus", "491701234567", "[redacted]"},
	{"hyphens of typographers", "0170\u20111234567 0170\u20131234567", "[redacted] [redacted]"},
	{"american", "415-555-0123, (415) 555-0123, +1 415.555.0123, 1-415-555-0123", "[redacted], [redacted], [redacted], [redacted]"},
	{"among other numbers", "room 12 0170 1234567 0171 7654321", "room 12 [redacted] 0171 7654321"},
	{"other digits", "٠١٧٠ ١٢٣٤٥٦٧ ０１７０ １２３４５６７", "[redacted] [redacted]"},
	{"longer number", "+49 170 12345678, 0170 1234567-12, 1+491701234567", ""},
	{"other code", "+43 170 1234567, 0171 1234567", ""},
	{"no area code", "1234567", ""},
	{"digits of an id", "a0170-1234567 550e8400-e29b-41d4-a716-4155550123", ""},
	{"a trunk prefix is not a country code", "+170 1234567", ""},
	{"prices and dates", "1,701,234,567.00 2026-11-24 10:15", ""},

	{"external id", "customer CUST-0042, cust-0042; #CUST-0042!", "customer [redacted], [redacted]; #[redacted]!"},
	{"in a path", "https://crm.example/c/CUST-0042/x.pdf CUST-0042.pdf", "https://crm.example/c/[redacted]/x.pdf [redacted].pdf"},
	{"of several pieces", "see crm:4711 there", "see [redacted] there"},
	{"in a query", "?id=CUST-0042&x=1 id:CUST%2D0042", "?id=[redacted]&x=1 id:[redacted]"},
	{"two numbers in a row", "+43 1 5551234 0170 1234567", "+43 1 5551234 [redacted]"},
	{"longer id", "CUST-00421 XCUST-0042 CUST-0042-B CUST-0042_1", ""},
	{"half of an id", "4711 xcrm:4711 crm: 4711", ""},
	{"too common to be searched", "a vip customer", ""},
	{"class of an element", `<p class="cust-0042">x</p>`, `<p class="[redacted]">x</p>`},
}

// TestCorpus is recall and precision at once: every row is exactly as documented.
func TestCorpus(t *testing.T) {
	keys := Keys(ann)
	positives, negatives := 0, 0
	for _, tc := range corpus {
		want := tc.want
		if want == "" {
			want = tc.text
			negatives++
		} else {
			positives++
		}
		got, n := Redact(tc.text, ann, false)
		if got != want || n != strings.Count(want, Mark) {
			t.Errorf("%s: %q became %q (%d), want %q", tc.why, tc.text, got, n, want)
		}
		if tc.want != "" && !meets(Tags(tc.text), keys) {
			t.Errorf("%s: no tag of %q leads to it: %q, keys %q", tc.why, tc.text, Tags(tc.text), keys)
		}
	}
	t.Logf("%d texts with her, %d without", positives, negatives)
	for _, id := range []Identifiers{{Emails: ann.Emails}, {Phones: ann.Phones}, {ExternalIDs: ann.ExternalIDs}} {
		if n := count(id); n < 5 {
			t.Errorf("only %d texts need %+v: the corpus proves too little", n, id)
		}
	}
}

// count is how many texts of the corpus hold an identifier.
func count(ids Identifiers) (n int) {
	for _, tc := range corpus {
		if _, k := Redact(tc.text, ids, false); k > 0 {
			n++
		}
	}
	return n
}

func meets(tags, keys []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(keys, tag) })
}

// TestCommonTextHasFewTags keeps ordinary text out of the index: what looks like
// nobody's identifier must not fill it, or lead to a document.
func TestCommonTextHasFewTags(t *testing.T) {
	text := "Dear team, on 24 November at 10:15 we ordered 3 lamps for 49.90 EUR each (10% off). Version 2.1 is out! " +
		"<p>See <b>page 12</b> &amp; <i>chapter 4</i>.</p> foo(bar) = 1.5 * 2; a < b"
	if tags := Tags(text); len(tags) > 0 {
		t.Errorf("tags %q", tags)
	}
}
