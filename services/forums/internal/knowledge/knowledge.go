// Package knowledge holds the rules of the knowledge base: categories, folders
// and articles. It is plain Go and knows neither wire nor store. All of it is the
// account's; who wrote an article is a link.
package knowledge

import (
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
)

// MaxDepth is how deep folders may lie in each other.
const MaxDepth = 7

// Category groups folders.
type Category struct {
	record.Record
	Name        string
	Description *string
	Portals     []int64
}

// CategoryInput is what a client may write of a category.
type CategoryInput struct {
	Name, Description *string
	Portals           []int64
}

func (in *CategoryInput) fields() []check.Field {
	return []check.Field{
		check.Name("name", in.Name), check.Text("description", in.Description, check.MaxDescription),
		check.IDs("visible_in_portals", in.Portals),
	}
}

// Check returns what is wrong with the input of a new category.
func (in *CategoryInput) Check() check.Problems { return check.Creation(in.fields()...) }

// NewCategory makes a category of a checked input.
func NewCategory(in *CategoryInput) *Category {
	return &Category{Name: strings.TrimSpace(*in.Name), Description: in.Description, Portals: in.Portals}
}

// Apply changes what the mask names, or nothing if something is wrong.
func (c *Category) Apply(in *CategoryInput, mask []string) check.Problems {
	if p := check.Change(mask, in.fields()...); len(p) > 0 {
		return p
	}
	for _, path := range mask {
		switch path {
		case "name":
			c.Name = strings.TrimSpace(*in.Name)
		case "description":
			c.Description = in.Description
		case "visible_in_portals":
			c.Portals = in.Portals
		}
	}
	return nil
}

// The visibilities of folders that come with a list.
const (
	ForCompanies       int32 = 4
	ForSegments        int32 = 6
	ForCompanySegments int32 = 7
)

// Folder holds articles and folders. Either CategoryID or ParentID is set: what
// lies in a folder is in the category that folder is in, so moving a folder
// moves all that lies in it with one write.
type Folder struct {
	record.Record
	Name                                 string
	Description                          *string
	CategoryID, ParentID                 *int64
	Visibility                           int32
	Companies, Segments, CompanySegments []int64
}

// FolderInput is what a client may write of a folder.
type FolderInput struct {
	Name, Description                    *string
	ParentID, CategoryID                 *int64
	Visibility                           *int32
	Companies, Segments, CompanySegments []int64
}

func (in *FolderInput) fields() []check.Field {
	return []check.Field{
		check.Name("name", in.Name), check.Text("description", in.Description, check.MaxDescription),
		check.ID("parent_folder_id", in.ParentID), check.Between("visibility", in.Visibility, 1, ForCompanySegments).Keep(),
		check.IDs("company_ids", in.Companies), check.IDs("contact_segment_ids", in.Segments),
		check.IDs("company_segment_ids", in.CompanySegments),
		check.ID("category_id", in.CategoryID).In(check.OnChange).Keep(),
	}
}

// Check returns what is wrong with the input of a new folder.
func (in *FolderInput) Check() check.Problems {
	p := check.Creation(in.fields()...)
	visibility := int32(1)
	if in.Visibility != nil {
		visibility = *in.Visibility
	}
	in.lists(&p, visibility, func(string) bool { return true })
	return p
}

// lists refuses a list that does not belong to a visibility.
func (in *FolderInput) lists(p *check.Problems, visibility int32, has func(string) bool) {
	for _, l := range []struct {
		field string
		list  []int64
		with  int32
		text  string
	}{
		{"company_ids", in.Companies, ForCompanies, "It can only be given with visibility 4"},
		{"contact_segment_ids", in.Segments, ForSegments, "It can only be given with visibility 6"},
		{"company_segment_ids", in.CompanySegments, ForCompanySegments, "It can only be given with visibility 7"},
	} {
		if has(l.field) && len(l.list) > 0 && visibility != l.with {
			p.Add(l.field, check.Invalid, l.text)
		}
	}
}

// NewFolder makes a folder of a checked input; where it lies is not looked at.
func NewFolder(in *FolderInput) *Folder {
	f := &Folder{Name: strings.TrimSpace(*in.Name), Description: in.Description, Visibility: 1,
		Companies: in.Companies, Segments: in.Segments, CompanySegments: in.CompanySegments}
	if in.Visibility != nil {
		f.Visibility = *in.Visibility
	}
	return f
}

// Apply changes what the mask names, or nothing if something is wrong; where the
// folder lies is not looked at.
func (f *Folder) Apply(in *FolderInput, mask []string) check.Problems {
	p := check.Change(mask, in.fields()...)
	visibility := f.Visibility
	if check.Has(mask, "visibility") && in.Visibility != nil {
		visibility = *in.Visibility
	}
	in.lists(&p, visibility, func(field string) bool { return check.Has(mask, field) })
	if len(p) > 0 {
		return p
	}
	f.Visibility = visibility
	for _, path := range mask {
		switch path {
		case "name":
			f.Name = strings.TrimSpace(*in.Name)
		case "description":
			f.Description = in.Description
		case "company_ids":
			f.Companies = in.Companies
		case "contact_segment_ids":
			f.Segments = in.Segments
		case "company_segment_ids":
			f.CompanySegments = in.CompanySegments
		}
	}
	f.drop()
	return nil
}

// drop empties the lists that do not belong to the visibility.
func (f *Folder) drop() {
	if f.Visibility != ForCompanies {
		f.Companies = nil
	}
	if f.Visibility != ForSegments {
		f.Segments = nil
	}
	if f.Visibility != ForCompanySegments {
		f.CompanySegments = nil
	}
}

// Step is a step of the way from a category down.
type Step struct {
	// Folder is false for the category.
	Folder bool
	ID     int64
	Name   string
}

// Way is the way from a category down to a folder, both included.
type Way []Step

// Category returns the category a way begins at, 0 for none.
func (w Way) Category() int64 {
	if len(w) == 0 {
		return 0
	}
	return w[0].ID
}

// Through reports whether the way leads through a folder.
func (w Way) Through(folder int64) bool {
	return slices.ContainsFunc(w, func(s Step) bool { return s.Folder && s.ID == folder })
}
