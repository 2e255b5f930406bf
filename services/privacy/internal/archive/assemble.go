package archive

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/privacy/internal/saga"
	"github.com/lethe-desk/lethe/services/privacy/internal/store"
)

// Assemble reads the parts once per form (JSON, CSV, files, page) and writes
// the archive; a repeated Assemble writes it anew.
func (x *Exporter) Assemble(ctx context.Context, call saga.Call) error {
	doc, err := x.export(ctx, call)
	if err != nil {
		return err
	}
	out, err := x.create(ctx, doc.Archive, doc.Key)
	if err != nil {
		return err
	}
	defer out.Abort()
	sum := &counted{w: out, hash: sha256.New()}
	z := &bundle{zip: zip.NewWriter(sum), at: doc.CreatedAt, seen: map[string]bool{}}
	z.manifest.begin(doc, call)
	if err := x.write(ctx, doc, z, call); err != nil {
		return err
	}
	if err := z.zip.Close(); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	doc.Size, doc.SHA256 = sum.n, hex.EncodeToString(sum.hash.Sum(nil))
	doc.Records, doc.Files = z.manifest.records(), z.files
	doc.UpdatedAt = x.Now()
	if err := withheld(x.Exports.Update(ctx, ring.Export, doc)); err != nil {
		return errors.Join(err, x.keep(ctx, call, doc.Archive))
	}
	return nil
}

// form is one way of writing down what the parts hold: it takes records, files or both.
type form interface {
	// end closes what is open.
	end() error
}

// recordForm takes records; resource is a record's plural name in the contract.
type recordForm interface {
	record(participant, resource string, m proto.Message) error
}

// headForm takes the heads of files.
type headForm interface {
	file(head *participantv1.ExportFile) error
}

// dataForm takes the bytes of the file whose head came last.
type dataForm interface {
	data(b []byte) error
}

func (x *Exporter) write(ctx context.Context, doc *store.Export, z *bundle, call saga.Call) error {
	forms := []form{&jsonForm{z: z}, &csvForm{z: z}, &fileForm{z: z}, &pageForm{z: z}}
	for i, f := range forms {
		for _, name := range slices.Sorted(maps.Keys(doc.Parts)) {
			if err := x.part(ctx, doc, name, func(m *participantv1.ExportResponse) error { return feed(f, name, m) }); err != nil {
				return err
			}
		}
		if err := f.end(); err != nil {
			return err
		}
		call.Progress(int64(i+1), int64(len(forms)))
	}
	return z.manifest.write(z)
}

// feed hands a message of a part to a form that takes such; a record is decoded
// only for one that reads it.
func feed(f form, participant string, m *participantv1.ExportResponse) error {
	switch part := m.GetPart().(type) {
	case *participantv1.ExportResponse_Record:
		to, takes := f.(recordForm)
		if !takes {
			return nil
		}
		record, err := part.Record.UnmarshalNew()
		if err != nil {
			return err
		}
		resource := resourceOf(record)
		if resource == "" {
			return fmt.Errorf("record without a resource option: %s", record.ProtoReflect().Descriptor().FullName())
		}
		return to.record(participant, resource, record)
	case *participantv1.ExportResponse_File:
		if to, takes := f.(headForm); takes {
			return to.file(part.File)
		}
	case *participantv1.ExportResponse_Data:
		if to, takes := f.(dataForm); takes {
			return to.data(part.Data)
		}
	}
	return nil
}

func resourceOf(m proto.Message) string {
	o, _ := proto.GetExtension(m.ProtoReflect().Descriptor().Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	return o.GetName()
}

// bundle is the archive as it is written; one entry is open at a time.
type bundle struct {
	zip      *zip.Writer
	at       time.Time
	manifest manifest
	open     *counted
	path     string
	files    int64
	// seen holds all paths, so that none is written twice.
	seen map[string]bool
}

// errTwice means that a participant's records of one resource were not together, or that a file came twice.
var errTwice = errors.New("an entry of the archive would be written twice")

// begin closes the entry that is open and opens another.
func (z *bundle) begin(path string) (io.Writer, error) {
	z.finish()
	if z.seen[path] {
		return nil, errTwice
	}
	z.seen[path] = true
	w, err := z.zip.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Deflate, Modified: z.at})
	if err != nil {
		return nil, err
	}
	z.open, z.path = &counted{w: w, hash: sha256.New()}, path
	return z.open, nil
}

// finish notes the open entry in the manifest.
func (z *bundle) finish() {
	if z.open != nil {
		z.manifest.entry(z.path, z.open.n, z.open.hash.Sum(nil))
		z.open = nil
	}
}

// counted hashes and counts what passes.
type counted struct {
	w    io.Writer
	hash hash.Hash
	n    int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	return n, err
}
