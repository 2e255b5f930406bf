package e2e

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/client"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/lethe/internal/suite"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// What the guide's examples use: where the services are, and a key.
var (
	contactsAddr, privacyAddr string
	apiKey                    = adminKey
	ctx                       = context.Background()
)

// guide starts the suite of the examples once.
var guide = sync.OnceValue(func() (end func()) {
	dir, err := os.MkdirTemp("", "lethe-guide-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := suite.New(ctx, suite.Config{Dir: filepath.Join(dir, "desk"), HTTPAddr: "127.0.0.1:0", AdminKey: adminKey, LogFile: filepath.Join(dir, "log")})
	if err != nil {
		log.Fatal(err)
	}
	at, err := s.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	contactsAddr, privacyAddr = at.GRPC["contacts"], at.GRPC["privacy"]
	return func() { _ = errors.Join(s.Stop(ctx), os.RemoveAll(dir)) }
})

func Example_connect() {
	guide()
	conn, err := client.Dial(contactsAddr, client.Options{APIKey: apiKey, ContactsAddr: contactsAddr})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	contacts := contactsv1.NewContactsServiceClient(conn)
	made, err := contacts.CreateContact(ctx, &contactsv1.CreateContactRequest{
		Contact:        &contactsv1.ContactInput{Name: proto.String("Anna"), Email: proto.String("anna@example.com")},
		IdempotencyKey: proto.String("signup-4711"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.GetContact().GetName())
	// Output: Anna
}

func Example_faults() {
	guide()
	conn, err := client.Dial(contactsAddr, client.Options{APIKey: apiKey, ContactsAddr: contactsAddr})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	contacts := contactsv1.NewContactsServiceClient(conn)
	_, err = contacts.GetContact(ctx, &contactsv1.GetContactRequest{Id: 424242})
	if client.IsNotFound(err) {
		fmt.Println("nobody, or nobody any more")
	}
	_, err = contacts.CreateContact(ctx, &contactsv1.CreateContactRequest{Contact: &contactsv1.ContactInput{Email: proto.String("no address")}})
	for _, v := range client.Violations(err) {
		fmt.Println(v.Field, v.Reason)
	}
	// Output:
	// nobody, or nobody any more
	// name REASON_MISSING_FIELD
	// email REASON_INVALID_VALUE
}

func Example_pages() {
	guide()
	conn, err := client.Dial(contactsAddr, client.Options{APIKey: apiKey, ContactsAddr: contactsAddr})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	contacts := contactsv1.NewContactsServiceClient(conn)
	everybody := client.All(func(page, perPage int32) ([]*contactsv1.Contact, error) {
		list, err := contacts.ListContacts(ctx, &contactsv1.ListContactsRequest{Page: &page, PerPage: &perPage})
		return list.GetContacts(), err
	})
	for contact, err := range everybody {
		if err != nil {
			log.Fatal(err)
		}
		_ = contact.GetName()
	}
	// Output:
}

func Example_erase() {
	guide()
	conn, err := client.Dial(contactsAddr, client.Options{APIKey: apiKey, ContactsAddr: contactsAddr})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	made, err := contactsv1.NewContactsServiceClient(conn).CreateContact(ctx, &contactsv1.CreateContactRequest{
		Contact: &contactsv1.ContactInput{Name: proto.String("Ben"), Email: proto.String("ben@example.com")},
	})
	if err != nil {
		log.Fatal(err)
	}

	// The same identity for another service.
	second, err := client.Dial(privacyAddr, client.Options{Tokens: conn.Tokens})
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()

	privacy := privacyv1.NewPrivacyServiceClient(second)
	asked, err := privacy.CreateRequest(ctx, &privacyv1.CreateRequestRequest{Request: &privacyv1.RequestInput{
		Kind: proto.String("erasure"), ContactId: proto.Int64(made.GetContact().GetId()), Direct: proto.Bool(true),
	}})
	if err != nil {
		log.Fatal(err)
	}
	state := ""
	for event, err := range client.WatchSaga(ctx, privacy, asked.GetRequest().GetSagaId()) {
		if err != nil {
			log.Fatal(err)
		}
		state = event.GetState()
	}
	fmt.Println(state)
	// Output: completed
}

// unindented is a text's lines without the white space around them.
func unindented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Every block of Go in the guide is a piece of an example that runs here.
func TestGuideIsWhatRuns(t *testing.T) {
	page, err := os.ReadFile("../../client/README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("client_test.go")
	if err != nil {
		t.Fatal(err)
	}
	runs := func(block string) bool { return strings.Contains(unindented(string(source)), unindented(block)) }
	shown := 0
	for block := range strings.SplitSeq(string(page), "```go\n") {
		if shown++; shown == 1 { // the text before the first
			continue
		}
		block, _, _ = strings.Cut(block, "```")
		if !runs(block) {
			t.Errorf("no example runs this:\n%s", block)
		}
	}
	if shown < 5 {
		t.Errorf("the guide shows %d blocks", shown-1)
	}
	if runs("conn, err := client." + "Dial(nowhere, nil)") {
		t.Error("a block that no example has was not noticed")
	}
}

// cut is a connection whose streams break after a few messages.
type cut struct {
	grpc.ClientConnInterface
	every int
	cuts  int
}

func (c *cut) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	return &cutStream{ClientStream: s, of: c, left: c.every}, err
}

type cutStream struct {
	grpc.ClientStream
	of   *cut
	left int
}

func (s *cutStream) RecvMsg(m any) error {
	if s.left == 0 {
		s.of.cuts++
		return fault.Unavailable(errors.New("cut")) // as connections tell that they were lost
	}
	s.left--
	return s.ClientStream.RecvMsg(m)
}

// A watch over a connection that breaks sees every event once, in order.
func TestWatchGoesOnWhereItBroke(t *testing.T) {
	guide()
	conn, err := client.Dial(contactsAddr, client.Options{APIKey: apiKey, ContactsAddr: contactsAddr})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	second, err := client.Dial(privacyAddr, client.Options{Tokens: conn.Tokens})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	made, err := contactsv1.NewContactsServiceClient(conn).CreateContact(t.Context(), &contactsv1.CreateContactRequest{
		Contact: &contactsv1.ContactInput{Name: proto.String("Cora"), Email: proto.String("cora@example.com")},
	})
	if err != nil {
		t.Fatal(err)
	}
	whole, broken := privacyv1.NewPrivacyServiceClient(second), &cut{ClientConnInterface: second, every: 3}
	asked, err := whole.CreateRequest(t.Context(), &privacyv1.CreateRequestRequest{Request: &privacyv1.RequestInput{
		Kind: proto.String("erasure"), ContactId: proto.Int64(made.GetContact().GetId()), Direct: proto.Bool(true),
	}})
	if err != nil {
		t.Fatal(err)
	}
	saga := asked.GetRequest().GetSagaId()
	sequences := func(events iter.Seq2[*privacyv1.SagaEvent, error]) (all []int64) {
		t.Helper()
		for event, err := range events {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, event.GetSequence())
		}
		return all
	}
	sequences(client.WatchSaga(t.Context(), whole, saga)) // to its end, after which what is told stays the same
	want := sequences(client.WatchSaga(t.Context(), whole, saga))
	got := sequences(client.WatchSaga(t.Context(), privacyv1.NewPrivacyServiceClient(broken), saga))
	if broken.cuts == 0 && len(want) > broken.every || !slices.Equal(got, want) || !slices.IsSorted(got) {
		t.Errorf("%d cuts: %v, want %v", broken.cuts, got, want)
	}
	for _, err := range client.WatchSaga(t.Context(), whole, "1-1") {
		if !client.IsNotFound(err) {
			t.Errorf("a saga that is not there: %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range client.WatchSaga(ended, whole, saga) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
	}
}

type noTokens struct{}

func (noTokens) Token(context.Context, int64) (string, error) { return "", nil }

func TestClientMistakesAreSaid(t *testing.T) {
	guide()
	for want, c := range map[string]struct {
		target string
		o      client.Options
	}{
		"another machine":  {"contacts.example:7101", client.Options{}},
		"two identities":   {contactsAddr, client.Options{APIKey: "x", ContactsAddr: contactsAddr, Tokens: noTokens{}}},
		"give its address": {contactsAddr, client.Options{APIKey: "x"}},
	} {
		if _, err := client.Dial(c.target, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	conn, err := client.Dial("dns:///"+contactsAddr, client.Options{APIKey: "a-key-that-nobody-ever-made", ContactsAddr: contactsAddr, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = contactsv1.NewContactsServiceClient(conn).GetContact(t.Context(), &contactsv1.GetContactRequest{Id: 1})
	if !client.IsUnauthenticated(err) || client.Reason(err) != faultv1.Reason_REASON_INVALID_CREDENTIALS {
		t.Errorf("a wrong key: %v", err)
	}
	if err := errors.Join(conn.Close(), conn.Close()); err != nil {
		t.Error(err)
	}
	gone, err := client.Dial("127.0.0.1:1", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	if _, err := contactsv1.NewIdentityServiceClient(gone).GetVerificationKeys(t.Context(), &contactsv1.GetVerificationKeysRequest{}); !client.IsUnavailable(err) {
		t.Errorf("nobody there: %v", err)
	}
}
