package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

// frontWrites are what privacy writes of an erasure beside its saga: the
// request, the subject's document, and the saga's id into the request.
const frontWrites = 3

// owner is the participant that goes last, for it alone knows who the person is.
const owner = "contacts"

var (
	others       = []string{"forums", "privacy", "ratings", "tickets"}
	participants = append([]string{owner}, others...)
)

// floor erases people with nothing but what cannot be saved: the same documents
// deleted by bare SQL from copies of the suite's files, the same calls in the
// same order with nothing before or behind their handlers, and the same durable
// commits, grouped.
type floor struct {
	parts  map[string]*bareFile
	calls  map[string]participantv1.PersonalDataServiceClient
	ends   []func()
	erased atomic.Int64
}

// newFloor copies the files of a stopped suite. With overNetwork the calls go
// through gRPC on the loopback interface, else through the channel the suite uses
// between its services.
func newFloor(ctx context.Context, desk, dir string, overNetwork bool) (*floor, error) {
	f := &floor{parts: map[string]*bareFile{}, calls: map[string]participantv1.PersonalDataServiceClient{}}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range participants {
		path := filepath.Join(dir, name+".db")
		if err := copyFile(filepath.Join(desk, name, name+".db"), path); err != nil {
			return nil, err
		}
		part, err := openBare(path)
		if err != nil {
			return nil, err
		}
		f.parts[name], f.ends = part, append(f.ends, part.close)
		conn, err := f.connect(ctx, &bareParticipant{file: part}, overNetwork)
		if err != nil {
			return nil, err
		}
		f.calls[name] = participantv1.NewPersonalDataServiceClient(conn)
	}
	return f, nil
}

func (f *floor) connect(ctx context.Context, srv participantv1.PersonalDataServiceServer, overNetwork bool) (grpc.ClientConnInterface, error) {
	if !overNetwork {
		inside := &inprocgrpc.Channel{}
		participantv1.RegisterPersonalDataServiceServer(inside, srv)
		return inside, nil
	}
	l, err := listen(ctx)
	if err != nil {
		return nil, err
	}
	s := grpc.NewServer()
	participantv1.RegisterPersonalDataServiceServer(s, srv)
	go func() { _ = s.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	f.ends = append([]func(){func() { _ = conn.Close(); s.Stop() }}, f.ends...)
	return conn, err
}

func (f *floor) close() {
	for _, end := range f.ends {
		end()
	}
}

// commitsEach is how many durable commits an erasure alone took.
func (f *floor) commitsEach() int64 {
	n := int64(0)
	for _, p := range f.parts {
		n += p.writes.Load()
	}
	return n / max(1, f.erased.Load())
}

// erase goes the way of the erasure flow: each stage its calls in parallel, then a commit.
func (f *floor) erase(ctx context.Context, id int64) error {
	f.erased.Add(1)
	who := &participantv1.Subject{Account: proto.Int64(1), Id: proto.Int64(id)}
	// the calls before the saga: the request itself, and privacy's look at the contact
	for _, name := range []string{"privacy", owner} {
		if err := count(ctx, f.calls[name], who); err != nil {
			return err
		}
	}
	for range frontWrites + 1 { // and the saga's creation
		if err := f.commit(ctx, id); err != nil {
			return err
		}
	}
	for _, stage := range []floorStage{
		{participants, true, count}, {participants, false, fence}, {nil, false, nil},
		{others, false, destroy}, {others, false, sweep}, {participants, true, redact}, {participants, true, count},
		{last, false, destroy}, {last, false, sweep}, {last, false, count}, {participants, false, fence},
	} {
		if err := f.stage(ctx, stage, who); err != nil {
			return err
		}
		if err := f.commit(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

var last = []string{owner}

// floorStage is a stage of the erasure: its calls in parallel, before them one
// to contacts where they need what the person is recognised by.
type floorStage struct {
	names      []string
	recognised bool
	call       func(context.Context, participantv1.PersonalDataServiceClient, *participantv1.Subject) error
}

func (f *floor) stage(ctx context.Context, s floorStage, who *participantv1.Subject) error {
	if s.recognised {
		if err := count(ctx, f.calls[owner], who); err != nil {
			return err
		}
	}
	return inParallel(len(s.names), len(participants), func(i int) error { return s.call(ctx, f.calls[s.names[i]], who) })
}

// commit writes as much as a saga's row.
func (f *floor) commit(ctx context.Context, id int64) error { return f.parts["privacy"].state(ctx, id) }

func count(ctx context.Context, c participantv1.PersonalDataServiceClient, who *participantv1.Subject) error {
	_, err := c.CountHoldings(ctx, &participantv1.CountHoldingsRequest{Subject: who})
	return err
}

func fence(ctx context.Context, c participantv1.PersonalDataServiceClient, who *participantv1.Subject) error {
	_, err := c.Fence(ctx, &participantv1.FenceRequest{Subject: who})
	return err
}

func destroy(ctx context.Context, c participantv1.PersonalDataServiceClient, who *participantv1.Subject) error {
	_, err := c.Destroy(ctx, &participantv1.DestroyRequest{Subject: who})
	return err
}

func sweep(ctx context.Context, c participantv1.PersonalDataServiceClient, who *participantv1.Subject) error {
	stream, err := c.Sweep(ctx, &participantv1.SweepRequest{Subject: who})
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func redact(ctx context.Context, c participantv1.PersonalDataServiceClient, who *participantv1.Subject) error {
	stream, err := c.Redact(ctx, &participantv1.RedactRequest{Subject: who})
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// bareParticipant does the writes of a participant and nothing else.
type bareParticipant struct {
	participantv1.UnimplementedPersonalDataServiceServer
	file *bareFile
}

// CountHoldings answers without a look.
func (p *bareParticipant) CountHoldings(context.Context, *participantv1.CountHoldingsRequest) (*participantv1.CountHoldingsResponse, error) {
	return &participantv1.CountHoldingsResponse{}, nil
}

// Fence rewrites the ring entry.
func (p *bareParticipant) Fence(ctx context.Context, in *participantv1.FenceRequest) (*participantv1.FenceResponse, error) {
	return &participantv1.FenceResponse{}, p.file.entry(ctx, in.GetSubject().GetId())
}

// Destroy overwrites the key in both files and rewrites the ring entry.
func (p *bareParticipant) Destroy(ctx context.Context, in *participantv1.DestroyRequest) (*participantv1.DestroyResponse, error) {
	err := p.file.keys.do(ctx, func() error { return p.file.overwriteKey(in.GetSubject().GetId()) })
	return &participantv1.DestroyResponse{}, errors.Join(err, p.file.entry(ctx, in.GetSubject().GetId()))
}

// Sweep deletes the person's documents, a commit for each collection that holds any.
func (p *bareParticipant) Sweep(in *participantv1.SweepRequest, stream grpc.ServerStreamingServer[participantv1.SweepResponse]) error {
	for _, collection := range p.file.collections {
		n, err := p.file.sweep(stream.Context(), collection, in.GetSubject().GetId())
		if err != nil {
			return fmt.Errorf("sweep %s: %w", collection, err)
		}
		if n == 0 {
			continue
		}
		if err := stream.Send(&participantv1.SweepResponse{Done: proto.Int64(int64(n))}); err != nil {
			return err
		}
	}
	return stream.Send(&participantv1.SweepResponse{})
}

// Redact answers without a look: nobody speaks of a typical person by address or number.
func (p *bareParticipant) Redact(_ *participantv1.RedactRequest, stream grpc.ServerStreamingServer[participantv1.RedactResponse]) error {
	return stream.Send(&participantv1.RedactResponse{})
}
