// Package topic holds the rules of discussions: categories, forums, topics,
// comments and who follows them. It is plain Go and knows neither wire nor store.
//
// A topic or comment is owned by the contact who wrote it; what an agent wrote
// is the account's, and the author is a link. Categories and forums are the account's.
package topic

import (
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
)

// Category groups forums.
type Category struct {
	record.Record
	Name        string
	Description *string
}

// CategoryInput is what a client may write of a category.
type CategoryInput struct {
	Name, Description *string
}

func (in *CategoryInput) fields() []check.Field {
	return []check.Field{check.Name("name", in.Name), check.Text("description", in.Description, check.MaxDescription)}
}

// Check returns what is wrong with the input of a new category.
func (in *CategoryInput) Check() check.Problems { return check.Creation(in.fields()...) }

// Apply changes what the mask names, or nothing if something is wrong.
func (c *Category) Apply(in *CategoryInput, mask []string) check.Problems {
	if p := check.Change(mask, in.fields()...); len(p) > 0 {
		return p
	}
	c.set(in, func(field string) bool { return check.Has(mask, field) })
	return nil
}

// NewCategory makes a category of a checked input.
func NewCategory(in *CategoryInput) *Category {
	c := &Category{}
	c.set(in, always)
	return c
}

func always(string) bool { return true }

func (c *Category) set(in *CategoryInput, has func(string) bool) {
	if has("name") {
		c.Name = strings.TrimSpace(*in.Name)
	}
	if has("description") {
		c.Description = in.Description
	}
}

// The types of forums.
const (
	Question     int32 = 1
	Idea         int32 = 2
	Issue        int32 = 3
	Announcement int32 = 4
)

// ForCompanies is the visibility of forums that selected companies see.
const ForCompanies int32 = 4

// Forum is a place for topics of one kind.
type Forum struct {
	record.Record
	Name        string
	Description *string
	CategoryID  int64
	// Position counts from 1 in the category.
	Position   int32
	Type       int32
	Visibility int32
	Companies  []int64
}

// ForumInput is what a client may write of a forum.
type ForumInput struct {
	Name, Description *string
	Type, Visibility  *int32
	Companies         []int64
	CategoryID        *int64
}

func (in *ForumInput) fields() []check.Field {
	return []check.Field{
		check.Name("name", in.Name), check.Text("description", in.Description, check.MaxDescription),
		check.Between("forum_type", in.Type, Question, Announcement).Need(),
		check.Between("forum_visibility", in.Visibility, 1, ForCompanies).Need(),
		check.IDs("company_ids", in.Companies),
		check.ID("forum_category_id", in.CategoryID).In(check.OnChange).Keep(),
	}
}

const forCompanies = "It can only be given with visibility 4"

// Check returns what is wrong with the input of a new forum.
func (in *ForumInput) Check() check.Problems {
	p := check.Creation(in.fields()...)
	if len(in.Companies) > 0 && in.Visibility != nil && *in.Visibility != ForCompanies {
		p.Add("company_ids", check.Invalid, forCompanies)
	}
	return p
}

// NewForum makes a forum of a checked input.
func NewForum(in *ForumInput) *Forum {
	f := &Forum{}
	f.set(in, always)
	return f
}

// Apply changes what the mask names, or nothing if something is wrong. The type
// is fixed once there are topics, even to what it is.
func (f *Forum) Apply(in *ForumInput, mask []string, hasTopics bool) check.Problems {
	p := check.Change(mask, in.fields()...)
	if hasTopics && check.Has(mask, "forum_type") {
		p.Add("forum_type", check.ReadOnly, "It cannot be changed once the forum has topics")
	}
	visibility := f.Visibility
	if check.Has(mask, "forum_visibility") && in.Visibility != nil {
		visibility = *in.Visibility
	}
	if check.Has(mask, "company_ids") && len(in.Companies) > 0 && visibility != ForCompanies {
		p.Add("company_ids", check.Invalid, forCompanies)
	}
	if len(p) == 0 {
		f.set(in, func(field string) bool { return check.Has(mask, field) })
	}
	return p
}

func (f *Forum) set(in *ForumInput, has func(string) bool) {
	if has("name") {
		f.Name = strings.TrimSpace(*in.Name)
	}
	if has("description") {
		f.Description = in.Description
	}
	if has("forum_type") {
		f.Type = *in.Type
	}
	if has("forum_visibility") {
		f.Visibility = *in.Visibility
	}
	if has("company_ids") {
		f.Companies = in.Companies
	}
	if has("forum_category_id") && in.CategoryID != nil {
		f.CategoryID = *in.CategoryID
	}
	if f.Visibility != ForCompanies {
		f.Companies = nil
	}
}

// stamps are the stamps a type of forum has, and the one a topic begins with; 0 is none.
var stamps = map[int32]struct {
	none    bool
	allowed []int32
	initial int32
}{
	Question:     {allowed: []int32{6, 7}, initial: 7},
	Idea:         {none: true, allowed: []int32{1, 2, 3, 4, 5}},
	Issue:        {allowed: []int32{8, 9}, initial: 9},
	Announcement: {none: true},
}

// Stamped reports whether topics of the forum may have a stamp; nil is none.
func (f *Forum) Stamped(stamp *int32) bool {
	s := stamps[f.Type]
	if stamp == nil {
		return s.none
	}
	return slices.Contains(s.allowed, *stamp)
}

// Initial returns the stamp a topic of the forum begins with, nil for none.
func (f *Forum) Initial() *int32 {
	if n := stamps[f.Type].initial; n != 0 {
		return &n
	}
	return nil
}
