package forums

import (
	"slices"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
)

// way writes a hierarchy as its names.
func way(refs []*forumsv1.FolderRef) string {
	var out []string
	for i, r := range refs {
		if int(r.GetLevel()) != i || (r.GetType() == "category") != (i == 0) {
			out = append(out, "!")
		}
		out = append(out, strings.Fields(r.GetName())[0])
	}
	return strings.Join(out, "/")
}

func TestFoldersAndArticles(t *testing.T) {
	d := open(t)
	shelf, other := d.shelf(), d.shelf()
	a := d.folder(shelf, 0, "a")
	b := d.folder(shelf, a.GetId(), "b")
	c := d.folder(shelf, b.GetId(), "c")
	equal(t, "way", way(c.GetHierarchy()), "shelf/a/b/c")
	if c.GetCategoryId() != shelf || c.GetParentFolderId() != b.GetId() || a.ParentFolderId != nil || a.GetVisibility() != 1 {
		t.Errorf("%v %v", a, c)
	}
	article := d.article(c.GetId(), nil, "how to")
	if article.GetAgentId() != firstAgent || article.GetCategoryId() != shelf || article.GetDescriptionText() != "how to" ||
		article.GetType() != 1 || article.GetSeoData().GetMetaKeywords() != "how to" || article.ThumbsUp == nil {
		t.Errorf("%v", article)
	}
	equal(t, "way", way(article.GetHierarchy()), "shelf/a/b/c")

	// names are unique among siblings, and only there
	refusal(t, second(d.solutions.CreateFolder(d.agent, &forumsv1.CreateFolderRequest{CategoryId: shelf, Folder: &forumsv1.FolderInput{Name: ptr("A ")}})), faultv1.Reason_REASON_DUPLICATE_VALUE)
	d.folder(other, 0, "a")
	d.folder(shelf, a.GetId(), "a")
	faulty := func(in *forumsv1.FolderInput) string {
		return violations(second(d.solutions.CreateFolder(d.agent, &forumsv1.CreateFolderRequest{CategoryId: other, Folder: in})))
	}
	equal(t, "parent of another category", faulty(&forumsv1.FolderInput{Name: ptr("x"), ParentFolderId: ptr(a.GetId())}), "parent_folder_id invalid_value")
	equal(t, "unknown parent", faulty(&forumsv1.FolderInput{Name: ptr("x"), ParentFolderId: ptr[int64](5)}), "parent_folder_id invalid_value")

	top, err := d.solutions.ListFolders(d.agent, &forumsv1.ListFoldersRequest{CategoryId: shelf})
	must(t, err)
	if f := top.GetFolders(); len(f) != 1 || f[0].GetSubFoldersCount() != 2 || f[0].GetArticlesCount() != 0 {
		t.Errorf("%v", f)
	}
	below, err := d.solutions.ListSubfolders(d.agent, &forumsv1.ListSubfoldersRequest{Id: b.GetId()})
	must(t, err)
	if f := below.GetFolders(); len(f) != 1 || f[0].GetArticlesCount() != 1 {
		t.Errorf("%v", f)
	}

	// one write moves a folder and all that lies in it
	update := func(id int64, in *forumsv1.FolderInput, paths ...string) (*forumsv1.Folder, error) {
		out, err := d.solutions.UpdateFolder(d.agent, &forumsv1.UpdateFolderRequest{Id: id, Folder: in, UpdateMask: mask(paths...)})
		return out.GetFolder(), err
	}
	equal(t, "into itself", violations(second(update(a.GetId(), &forumsv1.FolderInput{ParentFolderId: ptr(c.GetId())}, "parent_folder_id"))), "parent_folder_id invalid_value")
	moved, err := update(b.GetId(), &forumsv1.FolderInput{CategoryId: &other}, "category_id")
	must(t, err)
	if moved.ParentFolderId != nil || moved.GetCategoryId() != other {
		t.Errorf("%v", moved)
	}
	list, err := d.solutions.ListArticles(d.agent, &forumsv1.ListArticlesRequest{FolderId: c.GetId()})
	must(t, err)
	if got := list.GetArticles(); len(got) != 1 || got[0].GetCategoryId() != other || way(got[0].GetHierarchy()) != "shelf/b/c" {
		t.Errorf("%v", got)
	}
	up, err := update(c.GetId(), &forumsv1.FolderInput{}, "parent_folder_id")
	must(t, err)
	equal(t, "top of its category", up.GetCategoryId(), other)

	must(t, second(d.solutions.DeleteSolutionCategory(d.agent, &forumsv1.DeleteSolutionCategoryRequest{Id: other})))
	notFound(t, second(d.solutions.GetArticle(d.agent, &forumsv1.GetArticleRequest{Id: article.GetId()})))
	notFound(t, second(d.solutions.GetFolder(d.agent, &forumsv1.GetFolderRequest{Id: c.GetId()})))
	must(t, second(d.solutions.GetFolder(d.agent, &forumsv1.GetFolderRequest{Id: a.GetId()})))
}

func TestFoldersHaveADepth(t *testing.T) {
	d := open(t)
	shelf := d.shelf()
	var parent, first int64
	for range 7 {
		parent = d.folder(shelf, parent, "f").GetId()
		if first == 0 {
			first = parent
		}
	}
	in := &forumsv1.FolderInput{Name: ptr("x"), ParentFolderId: &parent}
	equal(t, "eighth", violations(second(d.solutions.CreateFolder(d.agent, &forumsv1.CreateFolderRequest{CategoryId: shelf, Folder: in}))), "parent_folder_id invalid_value")
	top := d.folder(shelf, 0, "top").GetId()
	err := second(d.solutions.UpdateFolder(d.agent, &forumsv1.UpdateFolderRequest{Id: first, Folder: &forumsv1.FolderInput{ParentFolderId: &top}, UpdateMask: mask("parent_folder_id")}))
	equal(t, "moving seven below one", violations(err), "parent_folder_id invalid_value")
}

func TestArticles(t *testing.T) {
	d := open(t)
	folder := d.folder(d.shelf(), 0, "f").GetId()
	anna := d.person("anna@example.org")
	article := d.article(folder, ptr(otherAgent), "how to").GetId()
	update := func(in *forumsv1.ArticleInput, paths ...string) (*forumsv1.Article, error) {
		out, err := d.solutions.UpdateArticle(d.agent, &forumsv1.UpdateArticleRequest{Id: article, Article: in, UpdateMask: mask(paths...)})
		return out.GetArticle(), err
	}
	got, err := update(&forumsv1.ArticleInput{Status: ptr[int32](1)}, "status")
	must(t, err)
	if got.GetStatus() != 1 || got.GetTitle() != "how to" || got.GetAgentId() != otherAgent || !slices.Equal(got.GetTags(), []string{"tag"}) {
		t.Errorf("status alone: %v", got)
	}
	got, err = update(&forumsv1.ArticleInput{Description: ptr("<b>bold</b>"), Tags: []string{" x ", "x"}, SeoData: &forumsv1.SeoData{MetaKeywords: ptr("a,b")}}, "description", "tags", "seo_data")
	must(t, err)
	if got.GetDescriptionText() != "bold" || !slices.Equal(got.GetTags(), []string{"x"}) || got.GetSeoData().GetMetaKeywords() != "a,b" || got.GetSeoData().GetMetaTitle() != "how to" {
		t.Errorf("%v", got)
	}
	equal(t, "author who is no agent", violations(second(update(&forumsv1.ArticleInput{AgentId: &anna}, "agent_id"))), "agent_id invalid_value")
	equal(t, "unknown folder", violations(second(update(&forumsv1.ArticleInput{FolderId: ptr[int64](5)}, "folder_id"))), "folder_id invalid_value")
	d.people.Set(1, anna, func(p *contactsv1.Person) { p.Agent = ptr(true) })
	got, err = update(&forumsv1.ArticleInput{AgentId: &anna}, "agent_id")
	must(t, err)
	equal(t, "author", got.GetAgentId(), anna)
	must(t, second(d.solutions.DeleteArticle(d.agent, &forumsv1.DeleteArticleRequest{Id: article})))
	notFound(t, second(d.solutions.DeleteArticle(d.agent, &forumsv1.DeleteArticleRequest{Id: article})))
}
