// Package mongo is the docstore backend on MongoDB: many processes share one
// database per service, every write is confirmed by a majority and journaled,
// and nothing needs a transaction over two documents. README.md tells the life
// of a write and what each promise rests on.
package mongo
