package page

import (
	"net/url"
	"testing"

	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

func TestParse(t *testing.T) {
	cases := []struct {
		query string
		want  Page
		bad   []string
	}{
		{"", Page{1, 30}, nil},
		{"page=3&per_page=100", Page{3, 100}, nil},
		{"per_page=1", Page{1, 1}, nil},
		{"page=301&per_page=100", Page{301, 100}, nil},
		{"page=302&per_page=100", Page{}, []string{"page"}},
		{"page=0", Page{}, []string{"page"}},
		{"per_page=101", Page{}, []string{"per_page"}},
		{"per_page=0&page=-1", Page{}, []string{"page", "per_page"}},
		{"per_page=ten", Page{}, []string{"per_page"}},
		{"page=", Page{}, []string{"page"}},
		{"page=99999999999999999999", Page{}, []string{"page"}},
	}
	for _, c := range cases {
		q, _ := url.ParseQuery(c.query)
		got, err := Parse(q)
		if len(c.bad) == 0 {
			if err != nil || got != c.want {
				t.Errorf("%q: %v, %v", c.query, got, err)
			}
			continue
		}
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.KindInvalid || len(f.Violations) != len(c.bad) {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		for i, v := range f.Violations {
			if v.Field != c.bad[i] {
				t.Errorf("%q: violation of %q, want %q", c.query, v.Field, c.bad[i])
			}
		}
	}
}

func TestOfDefaultsAndSkip(t *testing.T) {
	p, err := Of(nil, nil)
	if err != nil || p.Skip() != 0 || p.Size != 30 {
		t.Fatalf("%v %v", p, err)
	}
	two, ten := int32(2), int32(10)
	if p, err = Of(&two, &ten); err != nil || p.Skip() != 10 {
		t.Fatalf("%v %v", p, err)
	}
	minus := int32(-5)
	if _, err = Of(&minus, nil); err == nil {
		t.Fatal("page -5 accepted")
	}
}

func TestLinkKeepsOtherParameters(t *testing.T) {
	u, _ := url.Parse("https://acme.example/api/v2/contacts?per_page=10&page=2")
	const want = `<https://acme.example/api/v2/contacts?page=3&per_page=10>; rel="next"`
	if got := Link(*u, Page{2, 10}); got != want {
		t.Fatalf("%s", got)
	}
}
