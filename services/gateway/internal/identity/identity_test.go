package identity

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"encoding/base64"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// issuer answers keys that begin with k; it waits for hold when that is set.
type issuer struct {
	contactsv1.IdentityServiceClient
	hold  chan struct{}
	asked chan struct{}
}

func (i issuer) IssueToken(ctx context.Context, req *contactsv1.IssueTokenRequest, _ ...grpc.CallOption) (*contactsv1.IssueTokenResponse, error) {
	if i.asked != nil {
		i.asked <- struct{}{}
		<-i.hold
	}
	if ctx.Err() != nil {
		return nil, fault.From(ctx.Err())
	}
	if req.GetApiKey()[0] != 'k' {
		return nil, fault.Unauthenticated(nil)
	}
	return &contactsv1.IssueTokenResponse{Token: proto.String("t"), Account: proto.Int64(7), Role: proto.String("agent"), ExpiresAt: timestamppb.New(noon.Add(10 * time.Minute))}, nil
}

func header(key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":X"))
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	k := New(issuer{}, nil, func() time.Time { return noon })
	for i := range maxTokens + 50 {
		if c, err := k.Caller(context.Background(), header("k"+strconv.Itoa(i))); err != nil || c.Bucket != "7" || c.Exempt {
			t.Fatal(c, err)
		}
	}
	for i := range maxFailures + 50 {
		if _, err := k.Caller(context.Background(), header("x"+strconv.Itoa(i))); !fault.Is(err, fault.KindUnauthenticated) {
			t.Fatal(err)
		}
	}
	if len(k.tokens) > maxTokens || len(k.failures) > maxFailures || len(k.underway) != 0 {
		t.Errorf("%d tokens, %d failures, %d underway", len(k.tokens), len(k.failures), len(k.underway))
	}
}

func TestOneWhoGivesUpDoesNotTakeTheOthersAlong(t *testing.T) {
	i := issuer{hold: make(chan struct{}), asked: make(chan struct{}, 2)}
	k := New(i, nil, func() time.Time { return noon })
	ctx, cancel := context.WithCancel(context.Background())
	first, second := make(chan error), make(chan error)
	go func() {
		_, err := k.Caller(ctx, header("k"))
		first <- err
	}()
	<-i.asked
	go func() {
		_, err := k.Caller(context.Background(), header("k"))
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) && !fault.Is(err, fault.KindCancelled) {
		t.Error(err)
	}
	close(i.hold)
	if err := <-second; err != nil {
		t.Error(err)
	}
	if len(i.asked) != 0 {
		t.Error("the key was exchanged twice")
	}
}

func TestOnlyHashesOfKeysAreKept(t *testing.T) {
	a, b := New(issuer{}, nil, time.Now), New(issuer{}, nil, time.Now)
	if a.sum("k") == b.sum("k") {
		t.Error("two processes hash a key alike")
	}
}
