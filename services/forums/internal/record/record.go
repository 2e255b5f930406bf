// Package record holds what everything the service stores has in common, and
// the places where it is looked for. It is plain Go and knows neither wire nor store.
package record

import (
	"strings"
	"time"
)

// Record is what every stored thing has.
type Record struct {
	// Account is the desk, ID the thing's id in it.
	Account, ID int64
	// Owner is the subject whose data it is; 0 is the account itself.
	Owner int64
	// Rev is the revision last read.
	Rev int64
	// CreatedAt and UpdatedAt are UTC in milliseconds.
	CreatedAt, UpdatedAt time.Time
	// Mark is random and tells which idempotency record made the thing; "" for none.
	Mark string
	// Stored is what the store remembers of it; nobody else looks inside.
	Stored any
}

// Base returns the record itself, so that one store serves every type that embeds it.
func (r *Record) Base() *Record { return r }

// By is what a list of things has in common.
type By string

// What lists go by. Not every kind of thing has each of them.
const (
	// All is everything of an account, in id order.
	All By = "id"
	// ByCategory is what stands in a category: forums in order of position, folders at its top in id order.
	ByCategory By = "category"
	// ByForum is what stands in a forum: topics by stickiness, then age; comments and follows in id order.
	ByForum By = "forum"
	// ByTopic is what stands in a topic: comments in order of age, follows in id order.
	ByTopic By = "topic"
	// ByFolder is the articles of a folder, in id order.
	ByFolder By = "folder"
	// ByParent is the folders of a folder, in id order.
	ByParent By = "parent"
	// ByName is whatever has a name, folded with Fold.
	ByName By = "name"
)

// At says where things are looked for.
type At struct {
	By By
	// ID is of what they have in common; not for All.
	ID int64
	// Desc turns the order round.
	Desc bool
}

// In returns the place By of ID.
func In(by By, id int64) At { return At{By: by, ID: id} }

// Everything is the place that holds all of an account.
func Everything() At { return At{By: All} }

// Fold brings a name into the form in which it is unique.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
