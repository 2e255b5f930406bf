// Package sqlite is the docstore backend in one SQLite file per service: one
// process, one writer with group commit, several readers. README.md tells the
// life of a write.
package sqlite
