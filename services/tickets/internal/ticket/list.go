package ticket

import (
	"slices"
	"strings"
	"time"
)

// Window is how far back a list reaches that does not say since when.
const Window = 30 * 24 * time.Hour

// MaxPages is the last page of a list of tickets.
const MaxPages = 300

// ListInput is what a client may ask of the list.
type ListInput struct {
	Filter       *string
	RequesterID  *int64
	Email        *string
	External     *string
	CompanyID    *int64
	UpdatedSince *time.Time
	OrderBy      *string
	OrderType    *string
	Include      *string
	Page         int
}

// View says which of the three piles a list shows.
type View uint8

// The piles.
const (
	// Normal tickets are neither in the trash nor in spam.
	Normal View = iota
	// Junk is spam.
	Junk
	// Trash is deleted.
	Trash
)

// Order names the index a list walks.
type Order uint8

// The orders.
const (
	ByCreated Order = iota
	ByDue
	ByUpdated
	ByStatus
)

// List is a checked question for tickets.
type List struct {
	View View
	// Owner, Company limit it; nil is everybody.
	Owner, Company *int64
	// CreatedFrom or UpdatedFrom is where it begins.
	CreatedFrom, UpdatedFrom *time.Time
	// OpenFor asks for open tickets of nobody or of this agent.
	OpenFor *int64
	// Nothing says that the list is empty whatever there is.
	Nothing bool
	Order   Order
	Asc     bool
	// Bodies reads descriptions too.
	Bodies bool
	Skip   int
	Limit  int
}

// Includes are the members a client asked for.
type Includes map[string]bool

// ParseIncludes reads a comma-separated list of names.
func ParseIncludes(s *string, allowed ...string) (Includes, Problems) {
	in := Includes{}
	var p Problems
	if s == nil {
		return in, nil
	}
	for name := range strings.SplitSeq(*s, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(allowed, name) {
			p.oneOf("include", name, allowed...)
			return in, p
		}
		in[name] = true
	}
	return in, nil
}

// Plan checks what a client asks and makes a question of it; caller is the agent
// who asks. Owner is left to who can resolve addresses.
func (in *ListInput) Plan(caller int64, now time.Time) (List, Includes, Problems) {
	l := List{Owner: in.RequesterID, Company: in.CompanyID}
	include, p := ParseIncludes(in.Include, "requester", "stats", "description", "company", "tags")
	l.Bodies = include["description"]
	if in.Filter != nil {
		switch *in.Filter {
		case "new_and_my_open":
			l.OpenFor = &caller
		case "watching":
			l.Nothing = true // nobody can watch yet
		case "spam":
			l.View = Junk
		case "deleted":
			l.View = Trash
		default:
			p.oneOf("filter", *in.Filter, "new_and_my_open", "watching", "spam", "deleted")
		}
	}
	in.order(&l, &p)
	p.id("requester_id", in.RequesterID)
	p.id("company_id", in.CompanyID)
	if in.Email != nil && !Email(Fold(*in.Email)) {
		p.add("email", Invalid, "It should be a valid e-mail address")
	}
	if in.Page > MaxPages {
		p.add("page", Invalid, "It should be at most 300")
	}
	if in.UpdatedSince != nil {
		l.UpdatedFrom = in.UpdatedSince
	} else {
		from := now.Add(-Window)
		l.CreatedFrom = &from
	}
	return l, include, p
}

func (in *ListInput) order(l *List, p *Problems) {
	if in.OrderBy != nil {
		at := slices.Index([]string{"created_at", "due_by", "updated_at", "status"}, *in.OrderBy)
		if at < 0 {
			p.oneOf("order_by", *in.OrderBy, "created_at", "due_by", "updated_at", "status")
		} else {
			l.Order = Order(at)
		}
	}
	if in.OrderType != nil {
		p.oneOf("order_type", *in.OrderType, "asc", "desc")
		l.Asc = *in.OrderType == "asc"
	}
}
