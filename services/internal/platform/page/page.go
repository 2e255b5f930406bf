// Package page holds the paging rules of the REST interface: pages count from
// one, a page has 1 to 100 items and 30 when nothing is said.
package page

import (
	"net/url"
	"strconv"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

// The bounds of paging.
const (
	// DefaultSize is the number of items on a page when the caller names none.
	DefaultSize = 30
	// MaxSize is the largest page.
	MaxSize = 100
	// MaxSkip is how many items may lie before the page asked for; it is the store's bound too.
	MaxSkip = 30000
)

// Page is one page of a list.
type Page struct {
	// Number counts from 1.
	Number int
	// Size is the largest number of items on the page.
	Size int
}

// Skip returns how many items lie before the page.
func (p Page) Skip() int { return (p.Number - 1) * p.Size }

// Of checks the two values of a request message; nil is the default. The error
// is a *fault.Error with a violation for each bad field.
func Of(number, size *int32) (Page, error) {
	p := Page{Number: 1, Size: DefaultSize}
	if number != nil {
		p.Number = int(*number)
	}
	if size != nil {
		p.Size = int(*size)
	}
	return p, p.check()
}

// Parse reads `page` and `per_page` of a query. The error is a *fault.Error
// with a violation for each bad parameter.
func Parse(q url.Values) (Page, error) {
	p := Page{Number: 1, Size: DefaultSize}
	var bad []fault.Violation
	read := func(name string, into *int) {
		text := q.Get(name)
		if text == "" && !q.Has(name) {
			return
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			bad = append(bad, fault.Violation{Field: name, Code: faultv1.Reason_REASON_DATATYPE_MISMATCH, Message: "It should be a positive integer"})
			return
		}
		*into = int(n)
	}
	read("page", &p.Number)
	read("per_page", &p.Size)
	if len(bad) > 0 {
		return Page{}, fault.Invalid(bad...)
	}
	return p, p.check()
}

func (p Page) check() error {
	var bad []fault.Violation
	if p.Number < 1 {
		bad = append(bad, fault.Violation{Field: "page", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "It should be a positive integer"})
	}
	if p.Size < 1 || p.Size > MaxSize {
		bad = append(bad, fault.Violation{Field: "per_page", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "It should be between 1 and 100"})
	}
	if len(bad) == 0 && int64(p.Number-1)*int64(p.Size) > MaxSkip {
		bad = append(bad, fault.Violation{Field: "page", Code: faultv1.Reason_REASON_INVALID_VALUE, Message: "It lies too far back; ask by filter or date"})
	}
	if len(bad) > 0 {
		return fault.Invalid(bad...)
	}
	return nil
}

// Link returns the value of the Link header that leads to the next page:
// the URL the client used, with all of its parameters and the next number.
func Link(used url.URL, p Page) string {
	q := used.Query()
	q.Set("page", strconv.Itoa(p.Number+1))
	used.RawQuery = q.Encode()
	used.Fragment = ""
	used.User = nil
	return "<" + used.String() + `>; rel="next"`
}
