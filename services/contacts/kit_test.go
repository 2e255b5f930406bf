package contacts

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/dial"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/keyring"
	"github.com/lethe-desk/lethe/services/internal/platform/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const adminKey = "first-admin-key-of-tests"

// clock moves on by a millisecond with each look.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMilli(c.ms.Add(1)) }
func (c *clock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// desk is a running service with clients and callers.
type desk struct {
	t      *testing.T
	config Config
	svc    *Service
	clock  *clock
	// faults is between use cases and store.
	faults *faulty

	contacts    contactsv1.ContactsServiceClient
	agents      contactsv1.AgentsServiceClient
	identity    contactsv1.IdentityServiceClient
	participant participantv1.PersonalDataServiceClient

	// admin, tickets and privacy are contexts of these callers in account 1.
	admin, tickets, privacy context.Context
	adminID                 int64
	sequence                atomic.Int64
}

// open starts a desk in a new folder.
func open(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	master, err := keyring.OpenMaster(filepath.Join(dir, "master.key"))
	must(t, err)
	key, err := authn.LoadOrCreateKey(filepath.Join(dir, "signing.key"))
	must(t, err)
	c := newClock()
	return openWith(t, c, Config{Dir: filepath.Join(dir, "contacts"), Master: master, Signer: authn.NewSigner(key, c.now),
		AdminKey: adminKey, Now: c.now, Log: slog.New(slog.DiscardHandler)})
}

func openWith(t *testing.T, c *clock, config Config) *desk {
	t.Helper()
	d := &desk{t: t, clock: c, config: config, svc: &Service{}, faults: &faulty{}}
	ctx := t.Context()
	must(t, d.svc.openFiles(ctx, config))
	kept, err := store.New(ctx, d.svc.db)
	must(t, err)
	d.faults.Store = kept
	must(t, d.svc.assemble(ctx, config, d.faults, kept))
	d.serve()
	d.tickets, d.privacy = d.service(1, "tickets"), d.service(1, "privacy")
	if config.AdminKey != "" {
		token, err := d.identity.IssueToken(ctx, &contactsv1.IssueTokenRequest{ApiKey: &config.AdminKey})
		must(t, err)
		d.admin, d.adminID = authn.WithOutgoingToken(ctx, token.GetToken()), token.GetActor()
	}
	return d
}

func (d *desk) serve() {
	t := d.t
	srv, err := server.New(server.Options{Name: Name, Declared: Services(), Logger: d.config.Log,
		Verifier: authn.NewVerifier(d.clock.now, d.config.Signer.Public())})
	must(t, err)
	d.svc.Register(srv)
	addr, err := srv.Start("127.0.0.1:0")
	must(t, err)
	conn, err := dial.New(addr.String(), dial.Options{})
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(conn.Close(), srv.Stop(ctx), d.svc.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	d.contacts, d.agents = contactsv1.NewContactsServiceClient(conn), contactsv1.NewAgentsServiceClient(conn)
	d.identity, d.participant = contactsv1.NewIdentityServiceClient(conn), participantv1.NewPersonalDataServiceClient(conn)
}

// as returns the context of a caller.
func (d *desk) as(i authn.Identity) context.Context {
	d.t.Helper()
	token, _, err := d.config.Signer.Sign(i)
	must(d.t, err)
	return authn.WithOutgoingToken(d.t.Context(), token)
}

func (d *desk) service(account int64, name string) context.Context {
	return d.as(authn.Identity{Account: account, Role: authn.RoleService, Service: name})
}

// create makes a contact that must be fine.
func (d *desk) create(in *contactsv1.ContactInput) *contactsv1.Contact {
	d.t.Helper()
	out, err := d.contacts.CreateContact(d.admin, &contactsv1.CreateContactRequest{Contact: in})
	must(d.t, err)
	return out.GetContact()
}

func (d *desk) tryCreate(in *contactsv1.ContactInput) error {
	_, err := d.contacts.CreateContact(d.admin, &contactsv1.CreateContactRequest{Contact: in})
	return err
}

func (d *desk) mail(name, email string) *contactsv1.Contact {
	d.t.Helper()
	return d.create(&contactsv1.ContactInput{Name: &name, Email: &email})
}

func (d *desk) update(id int64, in *contactsv1.ContactInput, paths ...string) (*contactsv1.Contact, error) {
	out, err := d.contacts.UpdateContact(d.admin, &contactsv1.UpdateContactRequest{Id: id, Contact: in, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
	return out.GetContact(), err
}

func (d *desk) get(id int64) (*contactsv1.Contact, error) {
	out, err := d.contacts.GetContact(d.admin, &contactsv1.GetContactRequest{Id: id})
	return out.GetContact(), err
}

func (d *desk) ids(in *contactsv1.ListContactsRequest) []int64 {
	d.t.Helper()
	out, err := d.contacts.ListContacts(d.admin, in)
	must(d.t, err)
	var ids []int64
	for _, c := range out.GetContacts() {
		ids = append(ids, c.GetId())
	}
	return ids
}

func subject(id int64) *participantv1.Subject {
	return &participantv1.Subject{Account: proto.Int64(1), Id: &id}
}

// token returns one higher than all before.
func (d *desk) token() *participantv1.Token {
	return &participantv1.Token{Sequence: proto.Int64(d.sequence.Add(1)), Epoch: proto.Int32(1), Stage: proto.Int32(1)}
}

func (d *desk) fence(id int64, mode participantv1.Mode, saga string) {
	d.t.Helper()
	_, err := d.participant.Fence(d.privacy, &participantv1.FenceRequest{Subject: subject(id), Mode: &mode, Saga: &saga, Token: d.token()})
	must(d.t, err)
}

func (d *desk) unfence(id int64, saga string) {
	d.t.Helper()
	_, err := d.participant.Unfence(d.privacy, &participantv1.UnfenceRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
}

// erase runs an erasure's calls and returns the outcomes.
func (d *desk) erase(id int64) []*participantv1.Outcome {
	d.t.Helper()
	saga := "erase"
	d.fence(id, participantv1.Mode_MODE_ERASING, saga)
	_, err := d.participant.Destroy(d.privacy, &participantv1.DestroyRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	stream, err := d.participant.Sweep(d.privacy, &participantv1.SweepRequest{Subject: subject(id), Saga: &saga, Token: d.token()})
	must(d.t, err)
	var last *participantv1.SweepResponse
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		must(d.t, err)
		last = m
	}
	d.fence(id, participantv1.Mode_MODE_ERASED, saga)
	return last.GetOutcomes()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks an error's reason.
func refused(t *testing.T, err error, want faultv1.Reason) {
	t.Helper()
	if !fault.Has(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// violations returns field=code of an error, sorted.
func violations(err error) string {
	f, ok := fault.As(err)
	if !ok {
		return ""
	}
	var all []string
	for _, v := range f.Violations {
		all = append(all, v.Field+"="+fault.ReasonName(v.Code))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func holder(err error) int64 {
	f, ok := fault.As(err)
	if !ok || len(f.Violations) == 0 {
		return 0
	}
	return f.Violations[0].Info["user_id"]
}

// store binds the collections of an opened service.
func (s *Service) store(t *testing.T) *store.Store {
	t.Helper()
	kept, err := store.New(t.Context(), s.db)
	must(t, err)
	return kept
}
