package app

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// The life of staged files.
const (
	// StagedLife is how long a staged file can be adopted.
	StagedLife = time.Hour
	// sweepDelay is how much later it is removed, so that no adoption is under way then.
	sweepDelay = 10 * time.Minute
	// orphanAge is how old a blob must be that nobody names before it is removed.
	orphanAge = 2 * time.Hour
	// sweepPage is how many staged files one read of a sweep takes.
	sweepPage = 100
)

const (
	filesTooLarge = "The attachments of a ticket should be less than 20 MB in all"
	noUpload      = "There is no upload matching the given attachment_ids"
)

// Upload is what a client says of a file before its bytes.
type Upload struct {
	Name, ContentType string
	// Owner is the person who will own it, when known.
	Owner *int64
}

// UploadAttachment stages a file: under its owner's key when the owner is known,
// under the account's otherwise. It lives an hour unless it is adopted.
func (a *App) UploadAttachment(ctx context.Context, c Caller, up Upload, r io.Reader) (*ticket.Attachment, error) {
	owner, err := a.uploadOwner(ctx, c, up)
	if err != nil {
		return nil, err
	}
	limited := &limitReader{r: r, left: ticket.MaxFileBytes}
	name, key, size, err := a.Files.Save(ctx, limited)
	if limited.over {
		err = fault.InvalidValue("attachments", filesTooLarge)
	}
	if err != nil {
		return nil, err
	}
	now := a.now()
	f := &ticket.Attachment{
		Record: ticket.Record{Account: c.Account, Owner: owner, CreatedAt: now, UpdatedAt: now},
		Name:   up.Name, ContentType: up.ContentType, Size: size, Blob: name, Key: key,
	}
	if err := a.insertFile(ctx, ring.Write, a.Staged, f); err != nil {
		a.dropBlob(ctx, name)
		return nil, a.refuse(ctx, err, "contact", c.Account, owner, owner)
	}
	return f, nil
}

func (a *App) uploadOwner(ctx context.Context, c Caller, up Upload) (int64, error) {
	var p ticket.Problems
	p.Upload(up.Name, up.ContentType)
	if err := invalid(p); err != nil {
		return 0, err
	}
	if up.Owner == nil {
		return 0, nil
	}
	people, err := a.People.Resolve(ctx, c.Account, []ticket.Who{{ID: up.Owner}}, false)
	if err != nil {
		return 0, contactsFault(err, "owner_id")
	}
	if people[0] == nil || people[0].Hidden {
		return 0, fault.InvalidValue("owner_id", noPerson)
	}
	return *up.Owner, nil
}

// insertFile stores a file's document under a drawn id.
func (a *App) insertFile(ctx context.Context, p ring.Purpose, t Attachments, f *ticket.Attachment) error {
	for try := 1; ; try++ {
		f.ID = ids.New(a.Now)
		err := t.Insert(ctx, p, f)
		if !errors.Is(err, docstore.ErrExists) || try == maxTries {
			return err
		}
	}
}

// limitReader fails where more bytes come than are left.
type limitReader struct {
	r    io.Reader
	left int64
	over bool
}

// Read reads on until the limit is passed.
func (l *limitReader) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.left -= int64(n); l.left < 0 {
		l.over = true
		return 0, errors.New("too many bytes")
	}
	return n, err
}

// Download is a file on its way to a client.
type Download struct {
	File *ticket.Attachment
	io.ReadCloser
	// Check asks the ring again whether the file may still be read; long downloads call it now and then.
	Check func(ctx context.Context) error
}

// DownloadAttachment opens a file that hangs on a ticket.
func (a *App) DownloadAttachment(ctx context.Context, c Caller, id int64) (*Download, error) {
	f, err := load(ctx, a, c, "attachment", a.Attachments, id)
	if err != nil {
		return nil, err
	}
	r, err := a.Files.Open(ctx, f.Blob, f.Key)
	if err != nil {
		return nil, err
	}
	check := func(ctx context.Context) error {
		modes, err := a.Ring.Modes(ctx, ring.Subject{Account: c.Account, ID: f.Owner})
		if err == nil && !ring.Allow(modes, ring.Read) {
			err = docstore.ErrFenced
		}
		return a.refuse(ctx, err, "attachment", c.Account, id, f.Owner)
	}
	return &Download{File: f, ReadCloser: r, Check: check}, nil
}

// DeleteAttachment removes a file for good, staged or on a ticket.
func (a *App) DeleteAttachment(ctx context.Context, c Caller, id int64) error {
	f, err := load(ctx, a, c, "attachment", a.Attachments, id)
	if fault.Is(err, fault.KindNotFound) {
		staged, serr := a.Staged.Get(ctx, ring.Write, c.Account, id)
		if serr != nil {
			return err
		}
		a.dropBlob(ctx, staged.Blob)
		return a.refuse(ctx, a.Staged.Delete(ctx, ring.Write, c.Account, id, 0), "attachment", c.Account, id, staged.Owner)
	}
	if err != nil {
		return err
	}
	if err := a.thawed(ctx, c, f.TicketID); err != nil {
		return err
	}
	return a.removeFile(ctx, c, f)
}

// removeFile removes bytes, then document: the other way round a crash would
// leave bytes that nobody names until the sweep finds them.
func (a *App) removeFile(ctx context.Context, c Caller, f *ticket.Attachment) error {
	if err := a.Files.Delete(ctx, f.Blob); err != nil {
		return fault.Unavailable(err)
	}
	err := a.Attachments.Delete(ctx, ring.Write, c.Account, f.ID, 0)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return a.refuse(ctx, err, "attachment", c.Account, f.ID, f.Owner)
}

// dropBlob removes bytes that no document names; what it cannot remove the sweep will.
func (a *App) dropBlob(ctx context.Context, name string) {
	if err := a.Files.Delete(context.WithoutCancel(ctx), name); err != nil {
		a.Log.WarnContext(ctx, "a stored file could not be removed")
	}
}
