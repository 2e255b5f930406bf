package store

import (
	"context"
	"strconv"

	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
)

// shelfDoc is a stored category of the knowledge base.
type shelfDoc struct {
	docstore.Meta
	Origin      string  `doc:"origin" why:"random mark of the idempotency record that made it"`
	NameKey     string  `doc:"name_key" why:"the name folded, in which it is unique"`
	Portals     []int64 `doc:"visible_in_portals" field:"lethe.forums.v1.SolutionCategory.visible_in_portals"`
	Name        string  `doc:"name" field:"lethe.forums.v1.SolutionCategory.name"`
	Description *string `doc:"description,seal" field:"lethe.forums.v1.SolutionCategory.description"`
}

func (d *shelfDoc) meta() *docstore.Meta { return &d.Meta }
func (d *shelfDoc) mark() *string        { return &d.Origin }

var shelfSpec = docstore.Spec{Name: "solution_categories", Indexes: []docstore.Index{{Name: "name", Fields: []string{"name_key"}, Unique: true}}}

func shelfTo(c *knowledge.Category, d *shelfDoc) {
	*d = shelfDoc{NameKey: record.Fold(c.Name), Portals: c.Portals, Name: c.Name, Description: c.Description}
}

func shelfFrom(d *shelfDoc, c *knowledge.Category) {
	*c = knowledge.Category{Portals: d.Portals, Name: d.Name, Description: d.Description}
}

// Shelves stores the categories of the knowledge base.
type Shelves struct {
	*Table[knowledge.Category, shelfDoc, *knowledge.Category, *shelfDoc]
}

// Named returns the id of the category with a name, 0 for none.
func (s *Shelves) Named(ctx context.Context, account int64, v *knowledge.Category) (int64, error) {
	return s.named(ctx, account, record.Fold(v.Name))
}

// folderDoc is a stored folder.
type folderDoc struct {
	docstore.Meta
	Origin          string  `doc:"origin" why:"random mark of the idempotency record that made it"`
	Siblings        string  `doc:"siblings" why:"where the name is unique: c and the category's id, or f and the id of the folder above"`
	NameKey         string  `doc:"name_key" why:"the name folded, in which it is unique among its siblings"`
	CategoryID      *int64  `doc:"category_id" field:"lethe.forums.v1.Folder.category_id"`
	ParentID        *int64  `doc:"parent_folder_id" field:"lethe.forums.v1.Folder.parent_folder_id"`
	Visibility      int32   `doc:"visibility" field:"lethe.forums.v1.Folder.visibility"`
	Companies       []int64 `doc:"company_ids" field:"lethe.forums.v1.Folder.company_ids"`
	Segments        []int64 `doc:"contact_segment_ids" field:"lethe.forums.v1.Folder.contact_segment_ids"`
	CompanySegments []int64 `doc:"company_segment_ids" field:"lethe.forums.v1.Folder.company_segment_ids"`
	Name            string  `doc:"name" field:"lethe.forums.v1.Folder.name"`
	Description     *string `doc:"description,seal" field:"lethe.forums.v1.Folder.description"`
}

func (d *folderDoc) meta() *docstore.Meta { return &d.Meta }
func (d *folderDoc) mark() *string        { return &d.Origin }

var folderSpec = docstore.Spec{Name: "folders", Indexes: []docstore.Index{
	{Name: "category", Fields: []string{"category_id"}},
	{Name: "parent", Fields: []string{"parent_folder_id"}},
	{Name: "name", Fields: []string{"siblings", "name_key"}, Unique: true},
}}

// siblings names the place in which a folder's name is unique.
func siblings(f *knowledge.Folder) string {
	switch {
	case f.ParentID != nil:
		return "f" + strconv.FormatInt(*f.ParentID, 10)
	case f.CategoryID != nil:
		return "c" + strconv.FormatInt(*f.CategoryID, 10)
	}
	return ""
}

func folderTo(f *knowledge.Folder, d *folderDoc) {
	*d = folderDoc{
		Siblings: siblings(f), NameKey: record.Fold(f.Name), CategoryID: f.CategoryID, ParentID: f.ParentID, Visibility: f.Visibility,
		Companies: f.Companies, Segments: f.Segments, CompanySegments: f.CompanySegments, Name: f.Name, Description: f.Description,
	}
}

func folderFrom(d *folderDoc, f *knowledge.Folder) {
	*f = knowledge.Folder{
		CategoryID: d.CategoryID, ParentID: d.ParentID, Visibility: d.Visibility,
		Companies: d.Companies, Segments: d.Segments, CompanySegments: d.CompanySegments, Name: d.Name, Description: d.Description,
	}
}

// Folders stores folders.
type Folders struct {
	*Table[knowledge.Folder, folderDoc, *knowledge.Folder, *folderDoc]
}

// Named returns the id of the folder with a name in the same place, 0 for none.
func (f *Folders) Named(ctx context.Context, account int64, v *knowledge.Folder) (int64, error) {
	return f.named(ctx, account, siblings(v), record.Fold(v.Name))
}

// articleDoc is a stored article.
type articleDoc struct {
	docstore.Meta
	Origin   string `doc:"origin" why:"random mark of the idempotency record that made it"`
	FolderID int64  `doc:"folder_id" field:"lethe.forums.v1.Article.folder_id"`
	AgentID  *int64 `doc:"agent_id" field:"lethe.forums.v1.Article.agent_id"`
	Type     int32  `doc:"type" field:"lethe.forums.v1.Article.type"`
	Status   int32  `doc:"status" field:"lethe.forums.v1.Article.status"`
	Up       int64  `doc:"thumbs_up" field:"lethe.forums.v1.Article.thumbs_up"`
	Down     int64  `doc:"thumbs_down" field:"lethe.forums.v1.Article.thumbs_down"`
	Hits     int64  `doc:"hits" field:"lethe.forums.v1.Article.hits"`

	Title           string   `doc:"title,seal" field:"lethe.forums.v1.Article.title"`
	Tags            []string `doc:"tags,seal" field:"lethe.forums.v1.Article.tags"`
	MetaTitle       *string  `doc:"meta_title,seal" field:"lethe.forums.v1.SeoData.meta_title"`
	MetaDescription *string  `doc:"meta_description,seal" field:"lethe.forums.v1.SeoData.meta_description"`
	MetaKeywords    *string  `doc:"meta_keywords,seal" field:"lethe.forums.v1.SeoData.meta_keywords"`

	Description string `doc:"description,seal,body" field:"lethe.forums.v1.Article.description"`
	Text        string `doc:"description_text,seal,body" field:"lethe.forums.v1.Article.description_text"`
}

func (d *articleDoc) meta() *docstore.Meta { return &d.Meta }
func (d *articleDoc) mark() *string        { return &d.Origin }

var articleSpec = docstore.Spec{
	Name: "articles",
	Indexes: []docstore.Index{
		{Name: "folder", Fields: []string{"folder_id"}},
		{Name: "agent", Fields: []string{"agent_id"}},
	},
	Mentions: []string{"title", "tags", "meta_title", "meta_description", "meta_keywords", "description", "description_text"},
}

func articleTo(a *knowledge.Article, d *articleDoc) {
	*d = articleDoc{
		FolderID: a.FolderID, AgentID: a.AgentID, Type: a.Type, Status: a.Status, Up: a.Up, Down: a.Down, Hits: a.Hits,
		Title: a.Title, Tags: a.Tags, MetaTitle: a.SEO.Title, MetaDescription: a.SEO.Description, MetaKeywords: a.SEO.Keywords,
		Description: a.Description, Text: a.Text,
	}
}

func articleFrom(d *articleDoc, a *knowledge.Article) {
	*a = knowledge.Article{
		FolderID: d.FolderID, AgentID: d.AgentID, Type: d.Type, Status: d.Status, Up: d.Up, Down: d.Down, Hits: d.Hits,
		Title: d.Title, Tags: d.Tags, SEO: knowledge.SEO{Title: d.MetaTitle, Description: d.MetaDescription, Keywords: d.MetaKeywords},
		Description: d.Description, Text: d.Text,
	}
}

// Articles stores articles.
type Articles struct {
	*linked[knowledge.Article, articleDoc, *knowledge.Article, *articleDoc]
}
