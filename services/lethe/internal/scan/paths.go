package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Finding is one needle found in one file.
type Finding struct {
	// Path is the file, Member what lies inside it when it is an archive.
	Path, Member string
	// InName says that the name holds the needle, not the content.
	InName bool
	Find
}

// Unread is something that could not be looked into, and why. As long as there
// is one, nobody may call the paths clean.
type Unread struct {
	Path, Member, Reason string
}

// Result is what a search of paths comes to.
type Result struct {
	// Files and Bytes count what was read, archives by their own size.
	Files, Bytes int64
	// Finds counts all finds, those beyond the limit too.
	Finds int64
	// Unread lists what could not be looked into.
	Unread []Unread
}

// Options adjust a search.
type Options struct {
	// Workers is how many files are read at a time; the number of processors when 0.
	Workers int
	// PerFile limits how many finds of one file are reported; all are counted. No limit when 0.
	PerFile int
}

// Paths searches files, and folders with all that is below them. Links below a
// folder are not followed (their targets' names are searched); devices, sockets
// and pipes are left out. found is called by one goroutine at a time, in no
// promised order between files. The error is the context's; a path that does not
// exist is an Unread.
func (s *Set) Paths(ctx context.Context, paths []string, opts Options, found func(Finding)) (Result, error) {
	workers := opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	w := &walk{set: s, opts: opts, found: found}
	files := make(chan string)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for path := range files {
				w.file(ctx, path)
			}
		})
	}
	for _, path := range paths {
		w.tree(ctx, path, files)
	}
	close(files)
	group.Wait()
	return w.result, ctx.Err()
}

// walk is one call of Paths.
type walk struct {
	set    *Set
	opts   Options
	mu     sync.Mutex
	result Result
	found  func(Finding)
}

func (w *walk) unread(path, member, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Unread = append(w.result.Unread, Unread{Path: path, Member: member, Reason: reason})
}

func (w *walk) tree(ctx context.Context, root string, files chan<- string) {
	if resolved, err := filepath.EvalSymlinks(root); err == nil {
		root = resolved
	}
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil {
			w.unread(path, "", reason(err))
			return nil
		}
		k := w.sink(path)
		k.name("", entry.Name())
		switch entry.Type() & fs.ModeType {
		case fs.ModeSymlink:
			if target, err := os.Readlink(path); err == nil {
				k.name("", target)
			}
		case 0:
			select {
			case files <- path:
			case <-ctx.Done():
			}
		}
		return nil
	})
}

// reason says why a path cannot be read, without the path.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// sink returns the receiver for one file, which counts and limits its finds.
func (w *walk) sink(path string) sink {
	reported := 0
	return sink{
		set: w.set,
		found: func(member string, name bool, f Find) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.result.Finds++
			if reported++; w.opts.PerFile > 0 && reported > w.opts.PerFile {
				return
			}
			w.found(Finding{Path: path, Member: member, InName: name, Find: f})
		},
		unread: func(member, reason string) { w.unread(path, member, reason) },
	}
}

func (w *walk) file(ctx context.Context, path string) {
	f, err := os.Open(path)
	if err != nil {
		w.unread(path, "", reason(err))
		return
	}
	defer f.Close()
	k := w.sink(path)
	counted := &countReader{ctx: ctx, r: f}
	if err := k.stream("", counted, 0); err != nil {
		w.unread(path, "", reason(err))
	}
	if info, err := f.Stat(); err == nil && isZip(f) {
		k.zip("", f, info.Size(), 0)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Files++
	w.result.Bytes += counted.n
}

func isZip(r io.ReaderAt) bool {
	head := make([]byte, len(zipMagic))
	_, err := r.ReadAt(head, 0)
	return err == nil && bytes.Equal(head, zipMagic)
}

// countReader counts bytes and stops with the context.
type countReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *countReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, fmt.Errorf("stopped: %w", err)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
