// Package archive makes the package a person gets: it collects what every
// participant holds into sealed parts, and assembles them into one ZIP archive
// with JSON and CSV per resource, the files, a readable page and a manifest.
//
// Everything it writes is encrypted under the export's own key, which lies in
// the sealed part of the export's document. Memory does not grow with the person.
package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/blob"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/flow"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"

	"google.golang.org/protobuf/proto"
)

// The states of an export.
const (
	Collecting = "collecting"
	Ready      = "ready"
	Expired    = "expired"
	Failed     = "failed"
)

// Exporter carries out the steps of an export. Safe for concurrent use.
type Exporter struct {
	// Exports are the documents, Blobs where parts and archives lie.
	Exports *docstore.Collection[store.Export]
	Blobs   *blob.Bucket
	// Now is the clock, TTL for how long an archive is offered.
	Now func() time.Time
	TTL time.Duration
}

// export reads the export's document; a fence of an erasure withholds it.
func (x *Exporter) export(ctx context.Context, call saga.Call) (*store.Export, error) {
	id, err := strconv.ParseInt(call.Ref(flow.RefExport), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("export saga without an export: %w", err)
	}
	doc, err := x.Exports.Get(ctx, ring.Export, call.Account, id)
	return doc, withheld(err)
}

// withheld makes a declared refusal of what an erasure has taken away.
func withheld(err error) error {
	if errors.Is(err, docstore.ErrFenced) || errors.Is(err, docstore.ErrNotFound) {
		return fault.Fenced(err)
	}
	return err
}

// Collect streams all that a participant holds of the person into its part.
// A repeated Collect begins the part anew.
func (x *Exporter) Collect(ctx context.Context, call saga.Call, p flow.Participant) error {
	doc, err := x.export(ctx, call)
	if err != nil {
		return err
	}
	stream, err := p.Client.Export(authn.WithAccount(ctx, call.Account), &participantv1.ExportRequest{
		Subject: &participantv1.Subject{Account: proto.Int64(call.Account), Id: proto.Int64(call.Subject)},
		Scope:   participantv1.ExportScope_EXPORT_SCOPE_ACCESS.Enum(),
	})
	if err != nil {
		return err
	}
	w, err := x.Blobs.Create(ctx, doc.Parts[p.Name], doc.Key)
	if err != nil {
		return err
	}
	defer w.Abort()
	var records int64
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return w.Commit()
		}
		if err != nil {
			return err
		}
		if _, err := protodelim.MarshalTo(w, m); err != nil {
			return err
		}
		if m.GetRecord() != nil {
			records++
			call.Progress(records, 0)
		}
	}
}

// part reads a collected part, message by message.
func (x *Exporter) part(ctx context.Context, doc *store.Export, name string, each func(*participantv1.ExportResponse) error) error {
	r, err := x.Blobs.Open(ctx, doc.Parts[name], doc.Key)
	if err != nil {
		return err
	}
	defer r.Close()
	buffered := bufio.NewReader(r)
	for {
		var m participantv1.ExportResponse
		if err := protodelim.UnmarshalFrom(buffered, &m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := each(&m); err != nil {
			return err
		}
	}
}

// Offer makes the archive available until the export expires, and drops the parts.
func (x *Exporter) Offer(ctx context.Context, call saga.Call) error {
	doc, err := x.export(ctx, call)
	if err != nil {
		return err
	}
	if doc.State != Ready {
		doc.State, doc.UpdatedAt = Ready, x.Now()
		doc.ExpiresAt = x.Now().Add(x.TTL)
		if err := x.Exports.Update(ctx, ring.Export, doc); err != nil {
			return withheld(err)
		}
	}
	return x.dropParts(ctx, doc)
}

func (x *Exporter) dropParts(ctx context.Context, doc *store.Export) error {
	for _, name := range doc.Parts {
		if err := x.Blobs.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Discard removes what an export that was refused or cancelled has left.
func (x *Exporter) Discard(ctx context.Context, call saga.Call) error {
	id, err := strconv.ParseInt(call.Ref(flow.RefExport), 10, 64)
	if err != nil {
		return fmt.Errorf("export saga without an export: %w", err)
	}
	// Sweep reads behind every fence, and needs no key for what is dropped here.
	doc, err := x.Exports.Get(ctx, ring.Sweep, call.Account, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return x.end(ctx, doc, Failed)
}

// end drops all blobs of an export and gives it its last state.
func (x *Exporter) end(ctx context.Context, doc *store.Export, state string) error {
	if err := x.dropParts(ctx, doc); err != nil {
		return err
	}
	if err := x.Blobs.Delete(ctx, doc.Archive); err != nil {
		return err
	}
	if doc.State == state {
		return nil
	}
	doc.State, doc.UpdatedAt = state, x.Now()
	err := x.Exports.Update(ctx, ring.Sweep, doc)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// expiryPage bounds how many exports one round of Expire ends.
const expiryPage = 100

// Expire ends the exports whose time is up, of all accounts, and says how many.
func (x *Exporter) Expire(ctx context.Context) (int, error) {
	page, err := x.Exports.Find(ctx, ring.Sweep, 0, docstore.Query{
		Index: "expiry", Eq: []any{Ready}, To: x.Now(), Limit: expiryPage, AllAccounts: true,
	})
	if err != nil {
		return 0, err
	}
	for i, doc := range page.Items {
		if err := x.end(ctx, doc, Expired); err != nil {
			return i, err
		}
	}
	return len(page.Items), nil
}

// Drop removes the blobs of an export whose document is about to be deleted.
func (x *Exporter) Drop(ctx context.Context, doc *store.Export) error {
	if err := x.dropParts(ctx, doc); err != nil {
		return err
	}
	return x.Blobs.Delete(ctx, doc.Archive)
}
