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

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protodelim"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
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

// ref returns which export a saga makes.
func ref(call saga.Call) (int64, error) {
	id, err := strconv.ParseInt(call.Ref(flow.RefExport), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("export saga without an export: %w", err)
	}
	return id, nil
}

// export reads the export's document; a fence of an erasure withholds it, and
// one that has ended is over.
func (x *Exporter) export(ctx context.Context, call saga.Call) (*store.Export, error) {
	id, err := ref(call)
	if err != nil {
		return nil, err
	}
	doc, err := x.Exports.Get(ctx, ring.Export, call.Account, id)
	if err == nil && (doc.State == Failed || doc.State == Expired) {
		err = docstore.ErrFenced
	}
	return doc, withheld(err)
}

// create begins a blob anew: what an earlier attempt has left under the name goes first.
func (x *Exporter) create(ctx context.Context, name string, key []byte) (*blob.Writer, error) {
	if err := x.Blobs.Delete(ctx, name); err != nil {
		return nil, err
	}
	return x.Blobs.Create(ctx, name, key)
}

// keep asks whether the export may still be made once a blob of it is there.
// If not, the blob goes: the sweep of an erasure may have looked before it was there.
func (x *Exporter) keep(ctx context.Context, call saga.Call, name string) error {
	_, err := x.export(ctx, call)
	if fault.Has(err, faultv1.Reason_REASON_FENCED) {
		return errors.Join(err, x.Blobs.Delete(context.WithoutCancel(ctx), name))
	}
	return err
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
	w, err := x.create(ctx, doc.Parts[p.Name], doc.Key)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := copyParts(call, w, stream); err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	return x.keep(ctx, call, doc.Parts[p.Name])
}

// copyParts writes a participant's stream down, message by message.
func copyParts(call saga.Call, w io.Writer, stream grpc.ServerStreamingClient[participantv1.ExportResponse]) error {
	var records int64
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
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

// delimited reads a part's messages; none is larger than a message on the wire may be.
var delimited = protodelim.UnmarshalOptions{MaxSize: 16 << 20}

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
		if err := delimited.UnmarshalFrom(buffered, &m); errors.Is(err, io.EOF) {
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
		// Nothing is offered that is not there.
		r, err := x.Blobs.Open(ctx, doc.Archive, doc.Key)
		if err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
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
	id, err := ref(call)
	if err != nil {
		return err
	}
	return x.end(ctx, call.Account, id, Failed)
}

// end drops all blobs of an export and gives it its last state. An export that
// is gone has none left; one that somebody else has ended meanwhile is left as it is.
func (x *Exporter) end(ctx context.Context, account, id int64, state string) error {
	for {
		// Sweep reads behind every fence, and needs no key for what is dropped here.
		doc, err := x.Exports.Get(ctx, ring.Sweep, account, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.Drop(ctx, doc); err != nil {
			return err
		}
		if doc.State == Failed || doc.State == Expired {
			return nil
		}
		doc.State, doc.UpdatedAt = state, x.Now()
		err = x.Exports.Update(ctx, ring.Sweep, doc)
		if !errors.Is(err, docstore.ErrStale) && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
	}
}

// expiryPage bounds how many exports one look of Expire ends.
const expiryPage = 100

// Expire ends the exports whose time is up, of all accounts, and says how many.
// One that cannot be ended does not keep the others.
func (x *Exporter) Expire(ctx context.Context) (int, error) {
	ended := 0
	var errs error
	q := docstore.Query{Index: "expiry", Eq: []any{Ready}, To: x.Now(), Limit: expiryPage, AllAccounts: true}
	for {
		page, err := x.Exports.Find(ctx, ring.Sweep, 0, q)
		if err != nil {
			return ended, errors.Join(errs, err)
		}
		for _, doc := range page.Items {
			if err := x.end(ctx, doc.Account, doc.ID, Expired); err != nil {
				errs = errors.Join(errs, err)
				continue
			}
			ended++
		}
		if q.After = page.Next; q.After == "" {
			return ended, errs
		}
	}
}

// Drop removes the blobs of an export whose document is about to be deleted.
func (x *Exporter) Drop(ctx context.Context, doc *store.Export) error {
	if err := x.dropParts(ctx, doc); err != nil {
		return err
	}
	return x.Blobs.Delete(ctx, doc.Archive)
}
