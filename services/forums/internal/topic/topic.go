package topic

import (
	"strings"

	"github.com/lethe-desk/lethe/services/forums/internal/check"
	"github.com/lethe-desk/lethe/services/forums/internal/record"
)

// Topic is a discussion somebody began.
type Topic struct {
	record.Record
	// Title is empty in a blank shell: a topic whose author was erased and in
	// which others had written.
	Title   string
	ForumID int64
	// UserID is who began it, nil in a blank shell.
	UserID *int64
	Locked bool
	// Published says whether it is to be seen, Sticky whether it stands first.
	Published, Sticky bool
	Stamp             *int32
	// MergedInto is the topic it was merged into.
	MergedInto *int64
	// First is the comment that holds its message.
	First int64
	// Hits is how often it was looked at, Votes how many votes it has.
	Hits, Votes int64
}

// Blank makes a shell of a topic: the account's, without what its author wrote
// and without the author. What others see of it, its state and its times, stays.
func (t *Topic) Blank() {
	t.Owner, t.UserID, t.Title = 0, nil, ""
}

// Input is what a client may write of a topic.
type Input struct {
	Title, Message *string
	ForumID        *int64
	Locked, Sticky *bool
	Stamp          *int32
	UserID         *int64
}

func (in *Input) fields() []check.Field {
	return []check.Field{
		check.Name("title", in.Title), check.Body("message", in.Message),
		check.ID("forum_id", in.ForumID).In(check.OnChange).Keep(),
		check.Flag("locked", in.Locked), check.Flag("sticky", in.Sticky),
		check.Between("stamp_type", in.Stamp, 1, 9),
		check.ID("user_id", in.UserID).In(check.OnCreation),
	}
}

const wrongStamp = "It is no stamp of topics in this forum"

// Check returns what is wrong with the input of a new topic; the forum is not looked at.
func (in *Input) Check() check.Problems { return check.Creation(in.fields()...) }

// New makes a topic of a checked input in a forum.
func New(in *Input, f *Forum) (*Topic, check.Problems) {
	t := &Topic{ForumID: f.ID, Title: strings.TrimSpace(*in.Title), Published: true, Stamp: f.Initial()}
	if in.Stamp != nil {
		if !f.Stamped(in.Stamp) {
			return nil, check.Problems{{Field: "stamp_type", Code: check.Invalid, Message: wrongStamp}}
		}
		t.Stamp = in.Stamp
	}
	t.Locked, t.Sticky = in.Locked != nil && *in.Locked, in.Sticky != nil && *in.Sticky
	return t, nil
}

// CheckChange returns what is wrong with the fields that a mask names; the forum is not looked at.
func (in *Input) CheckChange(mask []string) check.Problems {
	return check.Change(mask, in.fields()...)
}

// Apply changes what the mask of a checked input names. f is the forum the topic
// is in then; a stamp that this one does not have becomes its first one.
func (t *Topic) Apply(in *Input, mask []string, f *Forum) check.Problems {
	if check.Has(mask, "stamp_type") && !f.Stamped(in.Stamp) {
		return check.Problems{{Field: "stamp_type", Code: check.Invalid, Message: wrongStamp}}
	}
	for _, path := range mask {
		switch path {
		case "title":
			t.Title = strings.TrimSpace(*in.Title)
		case "locked":
			t.Locked = *in.Locked
		case "sticky":
			t.Sticky = *in.Sticky
		case "stamp_type":
			t.Stamp = in.Stamp
		}
	}
	t.ForumID = f.ID
	if !f.Stamped(t.Stamp) {
		t.Stamp = f.Initial()
	}
	return nil
}

// Comment is a message in a topic.
type Comment struct {
	record.Record
	// Body is HTML, Text the same without markup.
	Body, Text       string
	TopicID, ForumID int64
	// UserID is who wrote it.
	UserID            *int64
	Answer, Published bool
	// Spam is nil when nobody said.
	Spam  *bool
	Trash bool
}

// CommentInput is what a client may write of a comment.
type CommentInput struct {
	Body   *string
	Answer *bool
	UserID *int64
}

func (in *CommentInput) fields() []check.Field {
	return []check.Field{
		check.Body("body", in.Body), check.Flag("answer", in.Answer).In(check.OnChange),
		check.ID("user_id", in.UserID).In(check.OnCreation),
	}
}

// Check returns what is wrong with the input of a new comment.
func (in *CommentInput) Check() check.Problems { return check.Creation(in.fields()...) }

// CheckChange returns what is wrong with the fields that a mask names.
func (in *CommentInput) CheckChange(mask []string) check.Problems {
	return check.Change(mask, in.fields()...)
}

// Follow says that somebody follows a forum or a topic; the other one is nil.
type Follow struct {
	record.Record
	// UserID is who follows, and whose data it is.
	UserID           int64
	ForumID, TopicID *int64
}
