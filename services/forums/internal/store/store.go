package store

import (
	"context"
	"errors"

	"github.com/lethe-desk/lethe/services/forums/internal/knowledge"
	"github.com/lethe-desk/lethe/services/forums/internal/topic"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
)

// Store is all that the service keeps.
type Store struct {
	db         *docstore.DB
	Categories *Categories
	Forums     *Forums
	Topics     *Topics
	Comments   *Comments
	Follows    *Follows
	// Shelves are the categories of the knowledge base.
	Shelves  *Shelves
	Folders  *Folders
	Articles *Articles
}

// Open binds all collections.
func Open(ctx context.Context, db *docstore.DB) (*Store, error) {
	s := &Store{db: db}
	categories, e1 := bind[topic.Category, categoryDoc, *topic.Category, *categoryDoc](ctx, db, categorySpec, categoryTo, categoryFrom)
	forums, e2 := bind[topic.Forum, forumDoc, *topic.Forum, *forumDoc](ctx, db, forumSpec, forumTo, forumFrom)
	topics, e3 := bind[topic.Topic, topicDoc, *topic.Topic, *topicDoc](ctx, db, topicSpec, topicTo, topicFrom)
	comments, e4 := bind[topic.Comment, commentDoc, *topic.Comment, *commentDoc](ctx, db, commentSpec, commentTo, commentFrom)
	follows, e5 := bind[topic.Follow, followDoc, *topic.Follow, *followDoc](ctx, db, followSpec, followTo, followFrom)
	shelves, e6 := bind[knowledge.Category, shelfDoc, *knowledge.Category, *shelfDoc](ctx, db, shelfSpec, shelfTo, shelfFrom)
	folders, e7 := bind[knowledge.Folder, folderDoc, *knowledge.Folder, *folderDoc](ctx, db, folderSpec, folderTo, folderFrom)
	articles, e8 := bind[knowledge.Article, articleDoc, *knowledge.Article, *articleDoc](ctx, db, articleSpec, articleTo, articleFrom)
	s.Categories, s.Forums = &Categories{categories}, &Forums{forums}
	s.Topics = &Topics{&linked[topic.Topic, topicDoc, *topic.Topic, *topicDoc]{topics, docstore.Link{Field: "user_id", Index: "user"}}}
	s.Comments = &Comments{&linked[topic.Comment, commentDoc, *topic.Comment, *commentDoc]{comments, docstore.Link{Field: "user_id", Index: "user"}}}
	s.Follows = &Follows{follows}
	s.Shelves, s.Folders = &Shelves{shelves}, &Folders{folders}
	s.Articles = &Articles{&linked[knowledge.Article, articleDoc, *knowledge.Article, *articleDoc]{articles, docstore.Link{Field: "agent_id", Index: "agent"}}}
	return s, errors.Join(e1, e2, e3, e4, e5, e6, e7, e8)
}

// Modes returns the fences that stand on a person here, none for one never met.
func (s *Store) Modes(ctx context.Context, subject ring.Subject) (ring.Mode, error) {
	e, err := s.db.Entry(ctx, subject)
	if errors.Is(err, docstore.ErrNotFound) {
		return 0, nil
	}
	return e.Modes(), err
}
