package knowledge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
)

func ptr[T any](v T) *T { return &v }

func said(p check.Problems) string {
	var out []string
	for _, one := range p {
		out = append(out, fmt.Sprintf("%s %d", one.Field, one.Code))
	}
	return strings.Join(out, ", ")
}

func TestFolderInput(t *testing.T) {
	for want, in := range map[string]FolderInput{
		"":                                     {Name: ptr("a")},
		"name 1":                               {},
		"visibility 2":                         {Name: ptr("a"), Visibility: ptr[int32](8)},
		"company_ids 2":                        {Name: ptr("a"), Companies: []int64{1}},
		"contact_segment_ids 2":                {Name: ptr("a"), Visibility: ptr[int32](7), Segments: []int64{1}, CompanySegments: []int64{1}},
		"category_id 4, company_segment_ids 2": {Name: ptr("a"), Visibility: ptr[int32](6), Segments: []int64{1}, CompanySegments: []int64{1}, CategoryID: ptr[int64](1)},
		"parent_folder_id 2, contact_segment_ids 2": {Name: ptr("a"), ParentID: ptr[int64](-1), Visibility: ptr(ForSegments), Segments: []int64{0}},
	} {
		if got := said(in.Check()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFolderListsGoWithTheirVisibility(t *testing.T) {
	f := NewFolder(&FolderInput{Name: ptr(" a "), Visibility: ptr(ForCompanies), Companies: []int64{1}})
	if f.Name != "a" || len(f.Companies) != 1 {
		t.Fatalf("%+v", f)
	}
	if got := said(f.Apply(&FolderInput{Segments: []int64{1}}, []string{"contact_segment_ids"})); got != "contact_segment_ids 2" || len(f.Companies) != 1 {
		t.Errorf("%q %+v", got, f)
	}
	if got := said(f.Apply(&FolderInput{Visibility: ptr(ForSegments), Segments: []int64{7}}, []string{"visibility", "contact_segment_ids"})); got != "" || f.Companies != nil || len(f.Segments) != 1 {
		t.Errorf("%q %+v", got, f)
	}
	if got := said(f.Apply(&FolderInput{}, []string{"visibility", "name"})); got != "visibility 2, name 2" {
		t.Error(got)
	}
}

func TestArticleInput(t *testing.T) {
	long := strings.Repeat("x", check.MaxDescription+1)
	for want, in := range map[string]ArticleInput{
		"":                                 {Title: ptr("a"), Description: ptr("b"), Status: ptr(Draft)},
		"title 1, description 1, status 1": {},
		"status 2, type 2, tags 2":         {Title: ptr("a"), Description: ptr("b"), Status: ptr[int32](3), Type: ptr[int32](0), Tags: []string{""}},
		"seo_data.meta_title 2, agent_id 2, folder_id 4": {Title: ptr("a"), Description: ptr("b"), Status: ptr(Draft),
			SEO: &SEO{Title: &long}, AgentID: ptr[int64](0), FolderID: ptr[int64](1)},
	} {
		if got := said(in.Check()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	in := &ArticleInput{Status: ptr(Draft)}
	if got := said(in.CheckChange([]string{"status"})); got != "" {
		t.Errorf("status alone: %q", got)
	}
	if got := said(in.CheckChange([]string{"title", "type", "seo_data", "hits"})); got != "title 2, type 2, hits 4" {
		t.Error(got)
	}
}

func TestArticleApply(t *testing.T) {
	a := NewArticle(&ArticleInput{Title: ptr("a"), Status: ptr(Published), Tags: []string{"x"}, SEO: &SEO{Title: ptr("t"), Keywords: ptr("k")}})
	a.Apply(&ArticleInput{SEO: &SEO{Keywords: ptr("k2")}}, []string{"seo_data"})
	if *a.SEO.Title != "t" || *a.SEO.Keywords != "k2" || a.Status != Published || len(a.Tags) != 1 {
		t.Errorf("%+v", a)
	}
	a.Apply(&ArticleInput{Status: ptr(Draft)}, []string{"status", "seo_data", "tags"})
	if a.SEO != (SEO{}) || a.Status != Draft || a.Tags != nil || a.Title != "a" {
		t.Errorf("%+v", a)
	}
}
