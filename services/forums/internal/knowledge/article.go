package knowledge

import (
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
)

// The codes of articles.
const (
	Draft     int32 = 1
	Published int32 = 2
	Permanent int32 = 1
)

// SEO is what search engines are told.
type SEO struct {
	Title, Description, Keywords *string
}

// Article is an answer written once for everybody.
type Article struct {
	record.Record
	FolderID int64
	// AgentID is who wrote it.
	AgentID      *int64
	Type, Status int32
	Title        string
	// Description is HTML, Text the same without markup.
	Description, Text string
	Tags              []string
	SEO               SEO
	// Up and Down are how many found it helpful and how many did not, Hits how often it was looked at.
	Up, Down, Hits int64
}

// ArticleInput is what a client may write of an article.
type ArticleInput struct {
	Title, Description *string
	Status, Type       *int32
	Tags               []string
	SEO                *SEO
	AgentID, FolderID  *int64
}

// Fold brings labels into the form they are stored in.
func (in *ArticleInput) Fold() {
	var tags []string
	for _, t := range in.Tags {
		if t = strings.TrimSpace(t); !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	in.Tags = tags
}

func (in *ArticleInput) fields() []check.Field {
	return []check.Field{
		check.Name("title", in.Title), check.Body("description", in.Description),
		check.Between("status", in.Status, Draft, Published).Need(), check.Between("type", in.Type, Permanent, 2).Keep(),
		check.Tags("tags", in.Tags), in.seo(),
		check.ID("agent_id", in.AgentID).Keep(), check.ID("folder_id", in.FolderID).In(check.OnChange).Keep(),
	}
}

func (in *ArticleInput) seo() check.Field {
	return check.Field{Name: "seo_data", Set: in.SEO != nil, Check: func(p *check.Problems) {
		for _, f := range []check.Field{
			check.Text("seo_data.meta_title", in.SEO.Title, check.MaxDescription),
			check.Text("seo_data.meta_description", in.SEO.Description, check.MaxDescription),
			check.Text("seo_data.meta_keywords", in.SEO.Keywords, check.MaxDescription),
		} {
			if f.Set {
				f.Check(p)
			}
		}
	}}
}

// Check returns what is wrong with the input of a new article.
func (in *ArticleInput) Check() check.Problems { return check.Creation(in.fields()...) }

// CheckChange returns what is wrong with the fields that a mask names.
func (in *ArticleInput) CheckChange(mask []string) check.Problems {
	return check.Change(mask, in.fields()...)
}

// NewArticle makes an article of a checked input, without its text's two forms,
// author and folder.
func NewArticle(in *ArticleInput) *Article {
	a := &Article{Type: Permanent, Status: *in.Status, Title: strings.TrimSpace(*in.Title), Tags: in.Tags}
	if in.Type != nil {
		a.Type = *in.Type
	}
	if in.SEO != nil {
		a.SEO = *in.SEO
	}
	return a
}

// Apply changes what the mask of a checked input names, but for the text,
// author and folder.
func (a *Article) Apply(in *ArticleInput, mask []string) {
	for _, path := range mask {
		switch path {
		case "title":
			a.Title = strings.TrimSpace(*in.Title)
		case "status":
			a.Status = *in.Status
		case "type":
			a.Type = *in.Type
		case "tags":
			a.Tags = in.Tags
		case "seo_data":
			a.SEO.merge(in.SEO)
		}
	}
}

// merge takes over what is given; nil empties all.
func (s *SEO) merge(in *SEO) {
	if in == nil {
		*s = SEO{}
		return
	}
	if in.Title != nil {
		s.Title = in.Title
	}
	if in.Description != nil {
		s.Description = in.Description
	}
	if in.Keywords != nil {
		s.Keywords = in.Keywords
	}
}
