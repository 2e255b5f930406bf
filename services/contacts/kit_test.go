package contacts

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"github.com/lethe-desk/lethe/services/contacts/internal/store"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const adminKey = "first-admin-key-of-tests"

// desk is a running service with clients and callers.
type desk struct {
	*servicetest.Kit
	t      *testing.T
	config Config
	svc    *Service
	// faults is between use cases and store, held between participant and store.
	faults *faulty
	held   *held

	contacts    contactsv1.ContactsServiceClient
	agents      contactsv1.AgentsServiceClient
	identity    contactsv1.IdentityServiceClient
	participant participantv1.PersonalDataServiceClient

	// admin, tickets and privacy are contexts of these callers in account 1.
	admin, tickets, privacy context.Context
	adminID                 int64
	sequence                atomic.Int64
}

var must = servicetest.Must

// open starts a desk in a new folder.
func open(t *testing.T) *desk {
	t.Helper()
	return openOn(servicetest.New(t, servicetest.Options{}))
}

// openOn starts a desk on the stores of a kit.
func openOn(k *servicetest.Kit) *desk {
	k.T.Helper()
	c := config(k)
	c.AdminKey = adminKey
	return openWith(k, c)
}

func config(k *servicetest.Kit) Config {
	return Config{Store: k.Store(Name), Signer: k.Signer, Now: k.Clock.Now, Log: k.Log}
}

func openWith(k *servicetest.Kit, config Config) *desk {
	t := k.T
	t.Helper()
	d := &desk{Kit: k, t: t, config: config}
	k.Run(servicetest.Service{Name: Name, Declared: Services(), Open: d.open})
	conn := k.Conn(Name)
	d.contacts, d.agents = contactsv1.NewContactsServiceClient(conn), contactsv1.NewAgentsServiceClient(conn)
	d.identity, d.participant = contactsv1.NewIdentityServiceClient(conn), participantv1.NewPersonalDataServiceClient(conn)
	d.tickets, d.privacy = k.Service(1, "tickets"), k.Privacy(1)
	if config.AdminKey != "" {
		ctx := t.Context()
		token, err := d.identity.IssueToken(ctx, &contactsv1.IssueTokenRequest{ApiKey: &config.AdminKey})
		must(t, err)
		d.admin, d.adminID = authn.WithOutgoingToken(ctx, token.GetToken()), token.GetActor()
	}
	return d
}

// open opens the service as New does, with faults between use cases and store.
func (d *desk) open(ctx context.Context) (servicetest.Running, error) {
	d.svc, d.faults = &Service{}, &faulty{}
	if err := d.svc.openFiles(ctx, d.config); err != nil {
		return nil, err
	}
	kept, err := store.New(ctx, d.svc.db)
	if err != nil {
		return nil, err
	}
	d.faults.Store, d.held = kept, &held{Store: kept}
	return d.svc, d.svc.assemble(ctx, d.config, d.faults, d.held)
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

// refused checks an error's reason.
var refused = servicetest.Refused

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
