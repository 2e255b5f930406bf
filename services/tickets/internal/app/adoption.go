package app

import (
	"context"
	"errors"
	"slices"

	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
)

// adoption gives staged files to a ticket or a conversation.
type adoption struct {
	owner, ticketID, conversationID int64
	files                           []int64
	purpose                         ring.Purpose
	// resumed says that an earlier try may have adopted uploads for the same place.
	resumed bool
}

// canAdopt checks an adoption without doing it.
func (a *App) canAdopt(ctx context.Context, c Caller, ad adoption) error {
	_, err := a.uploads(ctx, c, ad)
	return err
}

// uploads reads the staged files of an adoption that are not adopted yet, and
// refuses it unless all can be had and fit.
func (a *App) uploads(ctx context.Context, c Caller, ad adoption) ([]*ticket.Attachment, error) {
	if len(ad.files) == 0 {
		return nil, nil
	}
	var total int64
	if ad.ticketID != 0 {
		there, err := a.Attachments.OfTicket(ctx, ad.purpose, c.Account, ad.ticketID)
		if err != nil {
			return nil, storeFault(err)
		}
		for _, f := range there {
			total += f.Size
		}
	}
	var out []*ticket.Attachment
	for _, id := range uniq(ad.files) {
		f, err := a.Staged.Get(ctx, ad.purpose, c.Account, id)
		if errors.Is(err, docstore.ErrNotFound) && a.adopted(ctx, c, ad, id) {
			continue
		}
		if errors.Is(err, docstore.ErrNotFound) || errors.Is(err, docstore.ErrFenced) {
			return nil, fault.InvalidValue("attachment_ids", noUpload)
		}
		if err != nil {
			return nil, storeFault(err)
		}
		if f.Owner != 0 && f.Owner != ad.owner || a.now().Sub(f.CreatedAt) > StagedLife {
			return nil, fault.InvalidValue("attachment_ids", noUpload)
		}
		total += f.Size
		out = append(out, f)
	}
	if total > ticket.MaxFileBytes {
		return nil, fault.InvalidValue("attachments", filesTooLarge)
	}
	return out, nil
}

func uniq(list []int64) []int64 {
	sorted := slices.Sorted(slices.Values(list))
	return slices.Compact(sorted)
}

// adopted reports whether an earlier try has already adopted this file at the same place.
func (a *App) adopted(ctx context.Context, c Caller, ad adoption, id int64) bool {
	f, err := a.Attachments.Get(ctx, ad.purpose, c.Account, id)
	return err == nil && f.TicketID == ad.ticketID && f.ConversationID == ad.conversationID && f.Owner == ad.owner
}

// adopt makes a document of the owner's for each staged file, with the same id,
// blob and key, and removes the staged one. The bytes stay where they are.
// Repeating it is harmless.
func (a *App) adopt(ctx context.Context, c Caller, ad adoption) error {
	if ad.resumed {
		if err := a.dropEarlier(ctx, c, ad); err != nil {
			return err
		}
	}
	files, err := a.uploads(ctx, c, ad)
	if err != nil {
		return err
	}
	for _, staged := range files {
		f := *staged
		f.Record = ticket.Record{Account: c.Account, ID: staged.ID, Owner: ad.owner, CreatedAt: staged.CreatedAt, UpdatedAt: a.now()}
		f.TicketID, f.ConversationID = ad.ticketID, ad.conversationID
		err := a.Attachments.Insert(ctx, ad.purpose, &f)
		if errors.Is(err, docstore.ErrExists) {
			err = a.settleAdoption(ctx, c, ad, &f)
		}
		if err != nil {
			return a.refuse(ctx, err, "ticket", c.Account, ad.ticketID, ad.owner)
		}
		if err := a.Staged.Delete(ctx, ad.purpose, c.Account, staged.ID, 0); err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return storeFault(err)
		}
	}
	return nil
}

// settleAdoption decides about an id that is taken: by this very file at this
// place, which is done; by this file elsewhere, which is refused; or by another file.
func (a *App) settleAdoption(ctx context.Context, c Caller, ad adoption, f *ticket.Attachment) error {
	held, err := a.Attachments.Holds(ctx, f.Blob)
	switch {
	case err != nil:
		return err
	case !held:
		return a.insertFile(ctx, ad.purpose, a.Attachments, f)
	case a.adopted(ctx, c, ad, f.ID):
		return nil
	}
	return fault.InvalidValue("attachment_ids", noUpload)
}

// adoptOnce adopts unless an earlier try of the same change has.
func (a *App) adoptOnce(ctx context.Context, c Caller, ad adoption, done *bool) error {
	if *done {
		return nil
	}
	err := a.adopt(ctx, c, ad)
	*done = err == nil
	return err
}

// dropEarlier removes what an earlier try adopted from uploads that this one does
// not name any more: the client has sent the files again.
func (a *App) dropEarlier(ctx context.Context, c Caller, ad adoption) error {
	there, err := a.Attachments.OfConversation(ctx, ad.purpose, c.Account, ad.ticketID, ad.conversationID)
	if err != nil {
		return storeFault(err)
	}
	for _, f := range there {
		if slices.Contains(ad.files, f.ID) {
			continue
		}
		if err := a.takeBack(ctx, f); err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return storeFault(err)
		}
	}
	return nil
}

// abandon removes what was adopted for something that then was refused. After an
// unknown outcome it removes nothing: the thing may have been written. What
// stays is owned by the person, and an erasure finds it.
func (a *App) abandon(ctx context.Context, c Caller, ad adoption, cause error) {
	if !errors.Is(cause, docstore.ErrFenced) && !errors.Is(cause, docstore.ErrTooLarge) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for _, id := range uniq(ad.files) {
		f, err := a.Attachments.Get(ctx, ring.Sweep, c.Account, id)
		if err == nil && f.TicketID == ad.ticketID && f.ConversationID == ad.conversationID {
			err = a.takeBack(ctx, f)
		}
		if err != nil {
			a.Log.WarnContext(ctx, "an adopted file could not be taken back")
		}
	}
}

// takeBack removes an adopted file whatever fence has come down meanwhile.
func (a *App) takeBack(ctx context.Context, f *ticket.Attachment) error {
	if err := a.Files.Delete(ctx, f.Blob); err != nil {
		return err
	}
	return a.Attachments.Delete(ctx, ring.Sweep, f.Account, f.ID, 0)
}
