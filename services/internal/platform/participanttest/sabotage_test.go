package participanttest

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

type client = participantv1.PersonalDataServiceClient

// sabotage is a participant that lies, or a service that does, and the cases
// that turn red of it: these, and no others.
type sabotage struct {
	name string
	red  []string
	// bad breaks the service, lie stands before its participant.
	bad string
	lie func(client) client
}

var sabotages = []sabotage{
	{name: "a resource is skipped", red: []string{"outcomes", "symmetry", "links"}, lie: outcomes(func(all []*participantv1.Outcome) []*participantv1.Outcome {
		return slices.DeleteFunc(all, func(o *participantv1.Outcome) bool { return o.GetResource() == "chats" })
	})},
	{name: "no outcomes", red: []string{"outcomes", "symmetry", "links"}, lie: outcomes(func([]*participantv1.Outcome) []*participantv1.Outcome { return nil })},
	{name: "an outcome without a kind", red: []string{"outcomes", "links"}, lie: outcomes(func(all []*participantv1.Outcome) []*participantv1.Outcome {
		all[0].Kind = nil
		return all
	})},
	{name: "an outcome that counts zero", red: []string{"outcomes", "symmetry", "links"}, lie: outcomes(func(all []*participantv1.Outcome) []*participantv1.Outcome {
		all[0].Count = proto.Int64(0)
		return all
	})},
	{name: "an outcome twice", red: []string{"outcomes", "links"}, lie: outcomes(func(all []*participantv1.Outcome) []*participantv1.Outcome {
		return append(all, all[len(all)-1])
	})},
	{name: "success without deleting", red: []string{"attestation", "repeats", "tokens", "order", "writers", "links"}, lie: func(c client) client { return &idleSweep{c} }},
	{name: "a key that is not destroyed", red: []string{"outcomes", "symmetry", "attestation", "repeats", "tokens", "order", "accounts", "callers", "bystanders", "restart", "writers", "at rest", "links"}, lie: func(c client) client { return &idleDestroy{client: c} }},
	{name: "a fence is forgotten", red: []string{"attestation", "order", "fences"}, lie: func(c client) client { return &idleFence{c} }},
	{name: "a fence is not taken away", red: []string{"repeats", "tokens", "order", "export", "fences", "hiding", "callers"}, lie: func(c client) client { return &idleUnfence{c} }},
	{name: "a low token is taken", red: []string{"tokens"}, lie: func(c client) client { return &anyToken{client: c} }},
	{name: "everything counts zero", red: []string{"resources", "outcomes", "symmetry", "items"}, lie: counts(func(c *participantv1.CountHoldingsResponse) {
		for _, one := range c.GetCounts() {
			one.Owned = proto.Int64(0)
		}
	})},
	{name: "a resource is not counted", red: []string{"resources", "outcomes", "symmetry", "items"}, lie: counts(func(c *participantv1.CountHoldingsResponse) { c.Counts = c.GetCounts()[:1] })},
	{name: "an unmeasured zero", red: []string{"resources", "outcomes", "symmetry", "items"}, lie: counts(func(c *participantv1.CountHoldingsResponse) { c.GetCounts()[0].Owned = nil })},
	{name: "a row of the data map is missing", red: []string{"resources", "outcomes", "links"}, lie: func(c client) client { return &shortMap{c} }},
	{name: "the export loses a record", red: []string{"symmetry", "cursor"}, lie: exports(func(all []*participantv1.ExportResponse, cursor string) []*participantv1.ExportResponse {
		if cursor == "" && len(all) > 2 {
			return slices.Delete(all, 1, 2)
		}
		return all
	})},
	{name: "the export doubles a record", red: []string{"symmetry", "cursor"}, lie: exports(func(all []*participantv1.ExportResponse, _ string) []*participantv1.ExportResponse {
		if len(all) > 0 {
			return slices.Insert(all, 0, all[0])
		}
		return all
	})},
	{name: "the export begins again", red: []string{"cursor"}, lie: func(c client) client { return &noCursor{c} }},
	{name: "an export goes on behind a fence", red: []string{"symmetry", "export", "callers"}, lie: func(c client) client {
		return &staleExport{client: c, seen: map[int64][]*participantv1.ExportResponse{}}
	}},
	{name: "a redaction that rewrites nothing", red: []string{"mentions"}, lie: func(c client) client { return &idleRedact{c} }},
	{name: "a redaction that rewrites too much", red: []string{"mentions"}, bad: "redacts too much"},
	{name: "an item that stays", red: []string{"items"}, lie: func(c client) client { return &idleItem{c} }},
	{name: "one edge too far", red: []string{"bystanders"}, lie: func(c client) client { return &tooFar{client: c} }},
	{name: "a sweep that asks for no key's end", red: []string{"order"}, lie: func(c client) client { return &earlySweep{c} }},
	{name: "links that stay", red: []string{"links"}, bad: "keeps links"},
	{name: "an item that takes others along", red: []string{"items"}, bad: "erases too many"},
	{name: "a method shows the fenced", red: []string{"fences"}, bad: "shows behind fences"},
	{name: "a list shows the fenced", red: []string{"fences"}, bad: "lists behind fences"},
	{name: "a method writes behind fences", red: []string{"fences", "writers"}, bad: "writes behind fences"},
	{name: "a method shows other accounts", red: []string{"accounts"}, bad: "shows other accounts"},
	{name: "a token from before an erasure writes", red: []string{"late"}, bad: "bars nobody"},
	{name: "a method is not in the list", red: []string{"methods"}, bad: "forgets a method"},
	{name: "a text lies in the clear", red: []string{"at rest"}, bad: "leaks"},
}

// Every sabotage turns its cases red and leaves the others green: a case that
// sees everything says nothing about what is wrong.
func TestSabotages(t *testing.T) {
	var mu sync.Mutex
	needed := map[string]bool{}
	t.Run("all", func(t *testing.T) {
		for _, s := range sabotages {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				var red []string
				w := openWorld(t, inProcess, harness(s.bad, s.lie)) // one for all cases: each makes people of its own
				for _, c := range cases() {
					msgs := w.play(c)
					if len(msgs) > 0 {
						red = append(red, c.name)
					}
					if len(msgs) > 0 && !slices.Contains(s.red, c.name) {
						t.Log(c.name, msgs)
					}
				}
				if !slices.Equal(red, s.red) {
					t.Errorf("%s: red are %q, want %q", s.name, red, s.red)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, name := range red {
					needed[name] = true
				}
			})
		}
	})
	for _, c := range cases() {
		if !needed[c.name] {
			t.Errorf("no sabotage turns %q red", c.name)
		}
	}
}

// stream answers a stream from a list.
type stream[T any] struct {
	grpc.ClientStream
	rest []*T
	end  error
}

func (s *stream[T]) Recv() (*T, error) {
	if len(s.rest) == 0 {
		if s.end != nil {
			return nil, s.end
		}
		return nil, io.EOF
	}
	m := s.rest[0]
	s.rest = s.rest[1:]
	return m, nil
}

type lying struct {
	client
	sweep  func([]*participantv1.Outcome) []*participantv1.Outcome
	count  func(*participantv1.CountHoldingsResponse)
	export func([]*participantv1.ExportResponse, string) []*participantv1.ExportResponse
}

func outcomes(f func([]*participantv1.Outcome) []*participantv1.Outcome) func(client) client {
	return func(c client) client { return &lying{client: c, sweep: f} }
}

func counts(f func(*participantv1.CountHoldingsResponse)) func(client) client {
	return func(c client) client { return &lying{client: c, count: f} }
}

func exports(f func([]*participantv1.ExportResponse, string) []*participantv1.ExportResponse) func(client) client {
	return func(c client) client { return &lying{client: c, export: f} }
}

func (l *lying) Sweep(ctx context.Context, in *participantv1.SweepRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.SweepResponse], error) {
	answers, err := all(l.client.Sweep(ctx, in, o...))
	if n := len(answers); n > 0 && l.sweep != nil {
		answers[n-1].Outcomes = l.sweep(answers[n-1].GetOutcomes())
	}
	return &stream[participantv1.SweepResponse]{rest: answers, end: err}, nil
}

func (l *lying) CountHoldings(ctx context.Context, in *participantv1.CountHoldingsRequest, o ...grpc.CallOption) (*participantv1.CountHoldingsResponse, error) {
	out, err := l.client.CountHoldings(ctx, in, o...)
	if err == nil && l.count != nil {
		l.count(out)
	}
	return out, err
}

func (l *lying) Export(ctx context.Context, in *participantv1.ExportRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.ExportResponse], error) {
	answers, err := all(l.client.Export(ctx, in, o...))
	if l.export != nil {
		answers = l.export(answers, in.GetCursor())
	}
	return &stream[participantv1.ExportResponse]{rest: answers, end: err}, nil
}

// idleSweep says that it has swept what is there.
type idleSweep struct{ client }

func (l *idleSweep) Sweep(ctx context.Context, in *participantv1.SweepRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.SweepResponse], error) {
	c, err := l.CountHoldings(ctx, &participantv1.CountHoldingsRequest{Subject: in.GetSubject()})
	if err != nil {
		return nil, err
	}
	out := &participantv1.SweepResponse{}
	file := func(resource string, category optionsv1.Category, kind participantv1.OutcomeKind, n int64) {
		if n == 0 {
			kind = participantv1.OutcomeKind_OUTCOME_KIND_NONE_FOUND
		}
		out.Outcomes = append(out.Outcomes, &participantv1.Outcome{Resource: &resource, Category: &category, Kind: &kind, Count: &n})
	}
	for _, one := range c.GetCounts() {
		file(one.GetResource(), one.GetCategory(), participantv1.OutcomeKind_OUTCOME_KIND_ERASED, one.GetOwned())
		file(one.GetResource(), linksCategory, participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED, one.GetLinked())
	}
	return &stream[participantv1.SweepResponse]{rest: []*participantv1.SweepResponse{out}}, nil
}

// idleDestroy says so and keeps the key, and lets the sweep say it was done.
type idleDestroy struct{ client }

func (*idleDestroy) Destroy(context.Context, *participantv1.DestroyRequest, ...grpc.CallOption) (*participantv1.DestroyResponse, error) {
	return &participantv1.DestroyResponse{}, nil
}

type idleFence struct{ client }

func (l *idleFence) Fence(ctx context.Context, in *participantv1.FenceRequest, o ...grpc.CallOption) (*participantv1.FenceResponse, error) {
	if in.GetMode() == hidden {
		return &participantv1.FenceResponse{}, nil
	}
	return l.client.Fence(ctx, in, o...)
}

type idleUnfence struct{ client }

func (*idleUnfence) Unfence(context.Context, *participantv1.UnfenceRequest, ...grpc.CallOption) (*participantv1.UnfenceResponse, error) {
	return &participantv1.UnfenceResponse{}, nil
}

// anyToken raises a low token to the highest seen.
type anyToken struct {
	client
	mu      sync.Mutex
	highest *participantv1.Token
}

func (l *anyToken) raise(t *participantv1.Token) *participantv1.Token {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.highest; h == nil || t.GetSequence() > h.GetSequence() {
		l.highest = t
	}
	return l.highest
}

func (l *anyToken) Fence(ctx context.Context, in *participantv1.FenceRequest, o ...grpc.CallOption) (*participantv1.FenceResponse, error) {
	in.Token = l.raise(in.GetToken())
	return l.client.Fence(ctx, in, o...)
}

type shortMap struct{ client }

func (l *shortMap) DescribeHoldings(ctx context.Context, in *participantv1.DescribeHoldingsRequest, o ...grpc.CallOption) (*participantv1.DescribeHoldingsResponse, error) {
	out, err := l.client.DescribeHoldings(ctx, in, o...)
	if err == nil {
		out.Holdings = out.GetHoldings()[1:]
	}
	return out, err
}

// noCursor begins each export from the start.
type noCursor struct{ client }

func (l *noCursor) Export(ctx context.Context, in *participantv1.ExportRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.ExportResponse], error) {
	in.Cursor = nil
	return l.client.Export(ctx, in, o...)
}

// staleExport answers again what it once has answered.
type staleExport struct {
	client
	mu   sync.Mutex
	seen map[int64][]*participantv1.ExportResponse
}

func (l *staleExport) Export(ctx context.Context, in *participantv1.ExportRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.ExportResponse], error) {
	if in.Scope == nil || in.GetSubject() == nil {
		return l.client.Export(ctx, in, o...)
	}
	answers, err := all(l.client.Export(ctx, in, o...))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch known := l.seen[in.GetSubject().GetId()]; {
	case err == nil && in.GetCursor() == "":
		l.seen[in.GetSubject().GetId()] = answers
	case err != nil && known != nil && in.GetCursor() == "" && in.GetSubject().GetAccount() == 1:
		answers, err = known, nil
	}
	return &stream[participantv1.ExportResponse]{rest: answers, end: err}, nil
}

// idleRedact says that it has rewritten what is there.
type idleRedact struct{ client }

func (l *idleRedact) Redact(ctx context.Context, in *participantv1.RedactRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.RedactResponse], error) {
	c, err := l.CountHoldings(ctx, &participantv1.CountHoldingsRequest{Subject: in.GetSubject(), Identifiers: in.GetIdentifiers()})
	if err != nil || c.GetCounts()[0].GetMentioned() == 0 {
		return l.client.Redact(ctx, in, o...)
	}
	n := c.GetCounts()[0].GetMentioned()
	out := &participantv1.RedactResponse{Outcomes: []*participantv1.Outcome{{Resource: proto.String("calls"), Category: optionsv1.Category_CATEGORY_CONTENT.Enum(),
		Kind: participantv1.OutcomeKind_OUTCOME_KIND_ANONYMISED.Enum(), Count: &n}}}
	return &stream[participantv1.RedactResponse]{rest: []*participantv1.RedactResponse{out}}, nil
}

// idleItem says that it has erased what is there.
type idleItem struct{ client }

func (l *idleItem) EraseItem(ctx context.Context, in *participantv1.EraseItemRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.EraseItemResponse], error) {
	c, err := l.CountItem(ctx, &participantv1.CountItemRequest{Subject: in.GetSubject(), Item: in.GetItem()})
	if err != nil || len(c.GetCounts()) == 0 {
		return l.client.EraseItem(ctx, in, o...)
	}
	out := &participantv1.EraseItemResponse{}
	for _, one := range c.GetCounts() {
		out.Outcomes = append(out.Outcomes, &participantv1.Outcome{Resource: one.Resource, Category: one.Category, Count: one.Owned,
			Kind: participantv1.OutcomeKind_OUTCOME_KIND_ERASED.Enum()})
	}
	return &stream[participantv1.EraseItemResponse]{rest: []*participantv1.EraseItemResponse{out}}, nil
}

// tooFar erases whoever was counted before along with the person.
type tooFar struct {
	client
	mu   sync.Mutex
	last *participantv1.Subject
}

func (l *tooFar) CountHoldings(ctx context.Context, in *participantv1.CountHoldingsRequest, o ...grpc.CallOption) (*participantv1.CountHoldingsResponse, error) {
	l.mu.Lock()
	if in.GetSubject().GetAccount() == 1 {
		l.last = in.GetSubject()
	}
	l.mu.Unlock()
	return l.client.CountHoldings(ctx, in, o...)
}

func (l *tooFar) Destroy(ctx context.Context, in *participantv1.DestroyRequest, o ...grpc.CallOption) (*participantv1.DestroyResponse, error) {
	l.mu.Lock()
	other := l.last
	l.mu.Unlock()
	if other != nil && other.GetId() != in.GetSubject().GetId() && in.GetSubject().GetAccount() == 1 {
		if _, err := l.client.Fence(ctx, &participantv1.FenceRequest{Subject: other, Mode: erasing.Enum(), Saga: in.Saga, Token: in.Token}); err != nil {
			return nil, err
		}
		if _, err := l.client.Destroy(ctx, &participantv1.DestroyRequest{Subject: other, Saga: in.Saga, Token: in.Token}); err != nil {
			return nil, err
		}
	}
	return l.client.Destroy(ctx, in, o...)
}

// earlySweep destroys the key by itself when it is asked to sweep.
type earlySweep struct{ client }

func (l *earlySweep) Sweep(ctx context.Context, in *participantv1.SweepRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[participantv1.SweepResponse], error) {
	_, err := l.Destroy(ctx, &participantv1.DestroyRequest{Subject: in.GetSubject(), Saga: in.Saga, Token: in.GetToken()})
	if err != nil {
		return nil, err
	}
	return l.client.Sweep(ctx, in, o...)
}
