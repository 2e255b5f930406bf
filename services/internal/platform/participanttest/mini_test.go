package participanttest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/docstore"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/fault/storefault"
	"github.com/lethe-desk/lethe/services/internal/platform/ids"
	"github.com/lethe-desk/lethe/services/internal/platform/participant"
	"github.com/lethe-desk/lethe/services/internal/platform/ring"
	"github.com/lethe-desk/lethe/services/internal/platform/servicetest"
	"github.com/lethe-desk/lethe/services/internal/platform/storage"
)

// The mini is the smallest service the suite is about: it keeps calls and the
// chats that hang on them, under the contract of tickets. The number of a call's
// ticket is the person's id, that of a chat's is the call's. An id ends with its account.

type callDoc struct {
	docstore.Meta
	TicketID int64  `doc:"ticket_id" field:"lethe.tickets.v1.Call.ticket_id"`
	AgentID  int64  `doc:"agent_id" field:"lethe.tickets.v1.Call.agent_id"`
	Notes    string `doc:"notes,seal" field:"lethe.tickets.v1.Call.notes"`
}

type chatDoc struct {
	docstore.Meta
	CallID  int64  `doc:"ticket_id" field:"lethe.tickets.v1.Chat.ticket_id"`
	AgentID int64  `doc:"user_id" field:"lethe.tickets.v1.ChatMessage.user_id"`
	Text    string `doc:"text,seal" field:"lethe.tickets.v1.ChatMessage.text"`
}

// leakDoc is what a service that forgets to seal would keep.
type leakDoc struct {
	docstore.Meta
	Text string `doc:"text" why:"the sabotage: a text in the clear"`
}

const manyAccounts = 4

type mini struct {
	ticketsv1.UnimplementedCallsServiceServer
	ticketsv1.UnimplementedChatsServiceServer
	store *storage.Store
	calls *docstore.Collection[callDoc]
	chats *docstore.Collection[chatDoc]
	leaks *docstore.Collection[leakDoc]
	now   func() time.Time
	// bad names what is broken on purpose.
	bad string
}

func openMini(ctx context.Context, k *servicetest.Kit, bad string) (*mini, error) {
	m := &mini{now: k.Clock.Now, bad: bad}
	var err error
	if m.store, err = storage.Open(ctx, "tickets", k.Store("tickets")); err != nil {
		return nil, err
	}
	byAgent := docstore.Index{Name: "agent", Fields: []string{"agent_id"}}
	m.calls, err = docstore.Bind[callDoc](ctx, m.store.DB, docstore.Spec{Name: "calls", Indexes: []docstore.Index{byAgent}})
	if err == nil {
		m.chats, err = docstore.Bind[chatDoc](ctx, m.store.DB, docstore.Spec{Name: "chats", Indexes: []docstore.Index{
			{Name: "call", Fields: []string{"ticket_id"}}, {Name: "agent", Fields: []string{"user_id"}},
		}})
	}
	if err == nil {
		m.leaks, err = docstore.Bind[leakDoc](ctx, m.store.DB, docstore.Spec{Name: "leaks"})
	}
	return m, err
}

// Register registers the mini's services and its participant.
func (m *mini) Register(r grpc.ServiceRegistrar) {
	ticketsv1.RegisterCallsServiceServer(r, m)
	ticketsv1.RegisterChatsServiceServer(r, m)
	if m.bad == "bars nobody" {
		r = struct{ grpc.ServiceRegistrar }{r}
	}
	participant.New(m.store.DB, "tickets", m.resources()).Register(r)
}

// Close closes the store.
func (m *mini) Close(context.Context) error { return m.store.Close() }

// purpose is Read, or a purpose that no fence stops.
func (m *mini) purpose(p ring.Purpose, sabotage string) ring.Purpose {
	if m.bad == sabotage {
		return ring.Sweep
	}
	return p
}

// refusal turns an error of the store into what clients see of a fence.
func (m *mini) refusal(ctx context.Context, who int64, err error) error {
	if !errors.Is(err, docstore.ErrFenced) {
		if err == nil {
			return nil
		}
		return storefault.From(err)
	}
	e, found := m.store.DB.Entry(ctx, ring.Subject{Account: authn.Caller(ctx).Account, ID: who})
	if found != nil {
		return found
	}
	if e.Modes().Strictest() == ring.Restricted {
		return fault.Denied(faultv1.Reason_REASON_RESTRICTED)
	}
	return fault.NotFound("call", 0)
}

// inBody makes what is not found wrong input.
func inBody(err error) error {
	if fault.Is(err, fault.KindNotFound) {
		return fault.InvalidValue("ticket_id", "unknown")
	}
	return err
}

func (m *mini) meta(ctx context.Context, owner int64) docstore.Meta {
	now := m.now()
	return docstore.Meta{Account: authn.Caller(ctx).Account, ID: ids.New(m.now), Owner: owner, CreatedAt: now, UpdatedAt: now}
}

func (m *mini) CreateCall(ctx context.Context, in *ticketsv1.CreateCallRequest) (*ticketsv1.CreateCallResponse, error) {
	who := in.GetCall().GetTicketId()
	if who%manyAccounts != authn.Caller(ctx).Account {
		return nil, inBody(fault.NotFound("person", who))
	}
	d := &callDoc{Meta: m.meta(ctx, who), TicketID: who, AgentID: authn.Caller(ctx).Actor, Notes: in.GetCall().GetNotes()}
	if m.bad == "leaks" {
		leak := &leakDoc{Meta: d.Meta, Text: d.Notes}
		leak.Owner = 0
		if err := m.leaks.Insert(ctx, ring.Write, leak); err != nil {
			return nil, err
		}
	}
	if err := m.calls.Insert(ctx, m.purpose(ring.Write, "writes behind fences"), d); err != nil {
		return nil, inBody(m.refusal(ctx, who, err))
	}
	return &ticketsv1.CreateCallResponse{Call: showCall(d)}, nil
}

func showCall(d *callDoc) *ticketsv1.Call {
	out := &ticketsv1.Call{Id: &d.ID, TicketId: &d.TicketID, Notes: &d.Notes}
	if d.AgentID != 0 {
		out.AgentId = &d.AgentID
	}
	return out
}

func (m *mini) call(ctx context.Context, id int64) (*callDoc, error) {
	account := authn.Caller(ctx).Account
	d, err := m.calls.Get(ctx, m.purpose(ring.Read, "shows behind fences"), account, id)
	if m.bad == "shows other accounts" && errors.Is(err, docstore.ErrNotFound) {
		account = 1
		d, err = m.calls.Get(ctx, ring.Read, account, id)
	}
	if errors.Is(err, docstore.ErrFenced) {
		owner, err2 := m.calls.Get(ctx, ring.Sweep, account, id)
		if err2 == nil {
			return nil, m.refusal(ctx, owner.Owner, err)
		}
	}
	if err != nil {
		return nil, storefault.From(err)
	}
	return d, nil
}

func (m *mini) GetCall(ctx context.Context, in *ticketsv1.GetCallRequest) (*ticketsv1.GetCallResponse, error) {
	d, err := m.call(ctx, in.GetId())
	if err != nil {
		return nil, err
	}
	return &ticketsv1.GetCallResponse{Call: showCall(d)}, nil
}

func (m *mini) ListCalls(ctx context.Context, in *ticketsv1.ListCallsRequest) (*ticketsv1.ListCallsResponse, error) {
	page, err := m.calls.Find(ctx, m.purpose(ring.Read, "lists behind fences"), authn.Caller(ctx).Account,
		docstore.Query{Index: "owner", Eq: []any{in.GetTicketId()}, Limit: 100})
	out := &ticketsv1.ListCallsResponse{}
	for _, d := range page.Items {
		out.Calls = append(out.Calls, showCall(d))
	}
	return out, err
}

func (m *mini) DeleteCall(ctx context.Context, in *ticketsv1.DeleteCallRequest) (*ticketsv1.DeleteCallResponse, error) {
	d, err := m.call(ctx, in.GetId())
	if err == nil {
		err = m.refusal(ctx, d.Owner, m.calls.Delete(ctx, ring.Write, d.Account, d.ID, d.Rev))
	}
	return &ticketsv1.DeleteCallResponse{}, err
}

func (m *mini) CreateChat(ctx context.Context, in *ticketsv1.CreateChatRequest) (*ticketsv1.CreateChatResponse, error) {
	on, err := m.call(ctx, in.GetChat().GetTicketId())
	if err != nil {
		return nil, inBody(err)
	}
	d := &chatDoc{Meta: m.meta(ctx, on.Owner), CallID: on.ID, AgentID: authn.Caller(ctx).Actor, Text: in.GetChat().GetMessages()[0].GetText()}
	if err := m.chats.Insert(ctx, ring.Write, d); err != nil {
		return nil, inBody(m.refusal(ctx, on.Owner, err))
	}
	return &ticketsv1.CreateChatResponse{Chat: showChat(d)}, nil
}

func showChat(d *chatDoc) *ticketsv1.Chat {
	line := &ticketsv1.ChatMessage{Text: &d.Text}
	if d.AgentID != 0 {
		line.UserId = &d.AgentID
	}
	return &ticketsv1.Chat{Id: &d.ID, TicketId: &d.CallID, Messages: []*ticketsv1.ChatMessage{line}}
}

// The harness.

type things struct{ call, chat int64 }

// harness is how the suite uses the mini. bad breaks the service, lie what it says to privacy.
func harness(bad string, lie func(participantv1.PersonalDataServiceClient) participantv1.PersonalDataServiceClient) Open {
	return func(k *servicetest.Kit) *Harness {
		k.Run(servicetest.Service{
			Name: "tickets",
			Declared: []string{ticketsv1.CallsService_ServiceDesc.ServiceName, ticketsv1.ChatsService_ServiceDesc.ServiceName,
				participantv1.PersonalDataService_ServiceDesc.ServiceName},
			Open: func(ctx context.Context) (servicetest.Running, error) { return openMini(ctx, k, bad) },
		})
		c := clients{k: k, calls: ticketsv1.NewCallsServiceClient(k.Conn("tickets")), chats: ticketsv1.NewChatsServiceClient(k.Conn("tickets"))}
		h := &Harness{
			Service: "tickets", Seed: c.seed, Methods: c.methods, Link: c.link, Mention: c.mention, Item: c.item,
			resources: []string{"calls", "chats"}, services: []string{"CallsService", "ChatsService"},
		}
		if lie != nil {
			h.client = lie(participantv1.NewPersonalDataServiceClient(k.Conn("tickets")))
		}
		if bad == "forgets a method" {
			h.Methods = func(p Person) []Method { return c.methods(p)[1:] }
		}
		return h
	}
}

type clients struct {
	k     *servicetest.Kit
	calls ticketsv1.CallsServiceClient
	chats ticketsv1.ChatsServiceClient
}

func (c clients) newCall(ctx context.Context, who int64, notes string) (*ticketsv1.CreateCallResponse, error) {
	return c.calls.CreateCall(ctx, &ticketsv1.CreateCallRequest{Call: &ticketsv1.CallInput{TicketId: &who, Notes: &notes}})
}

func (c clients) newChat(ctx context.Context, call int64, text string) (*ticketsv1.CreateChatResponse, error) {
	return c.chats.CreateChat(ctx, &ticketsv1.CreateChatRequest{Chat: &ticketsv1.ChatInput{TicketId: &call, Messages: []*ticketsv1.ChatMessage{{Text: &text}}}})
}

func (c clients) seed(account int64, kind participantv1.SubjectKind, n int, mark string) Person {
	p := Person{Account: account, ID: ids.New(c.k.Clock.Now)*manyAccounts + account, Kind: kind, Mark: mark}
	var made things
	for i := range n {
		text := mark + strconv.Itoa(i)
		call, err := c.newCall(c.k.Admin(account), p.ID, text)
		servicetest.Must(c.k.T, err)
		chat, err := c.newChat(c.k.Admin(account), call.GetCall().GetId(), text)
		servicetest.Must(c.k.T, err)
		made = things{call.GetCall().GetId(), chat.GetChat().GetId()}
	}
	p.Things = made
	return p
}

func (c clients) methods(p Person) []Method {
	at, _ := p.Things.(things)
	return []Method{
		{Name: "CallsService/GetCall", Shows: true, Call: func(ctx context.Context) (proto.Message, error) {
			return c.calls.GetCall(ctx, &ticketsv1.GetCallRequest{Id: at.call})
		}},
		{Name: "CallsService/ListCalls", Kind: List, Call: func(ctx context.Context) (proto.Message, error) {
			return c.calls.ListCalls(ctx, &ticketsv1.ListCallsRequest{TicketId: &p.ID})
		}},
		{Name: "CallsService/CreateCall", Kind: Named, Call: func(ctx context.Context) (proto.Message, error) { return c.newCall(ctx, p.ID, p.Mark) }},
		{Name: "ChatsService/CreateChat", Kind: Named, Call: func(ctx context.Context) (proto.Message, error) { return c.newChat(ctx, at.call, p.Mark) }},
		{Name: "CallsService/DeleteCall", Ends: true, Call: func(ctx context.Context) (proto.Message, error) {
			return c.calls.DeleteCall(ctx, &ticketsv1.DeleteCallRequest{Id: at.call})
		}},
		{Name: "ChatsService/GetChat", Kind: Apart, Why: "the mini shows chats with nobody"},
		{Name: "ChatsService/ListChats", Kind: Apart, Why: "the mini shows chats with nobody"},
		{Name: "ChatsService/DeleteChat", Kind: Apart, Why: "the mini shows chats with nobody"},
	}
}

// link lets somebody write down a call with another person.
func (c clients) link(owner, who Person) {
	ctx := c.k.As(authn.Identity{Account: owner.Account, Actor: who.ID, Role: authn.RoleAgent})
	_, err := c.newCall(ctx, owner.ID, owner.Mark)
	servicetest.Must(c.k.T, err)
}

func (c clients) mention(owner Person, text string) {
	_, err := c.newCall(c.k.Admin(owner.Account), owner.ID, text)
	servicetest.Must(c.k.T, err)
}

func (c clients) item(p Person) (*participantv1.Item, Method) {
	at, _ := p.Things.(things)
	return &participantv1.Item{Resource: proto.String("calls"), Id: &at.call}, Method{Name: "CreateChat", Kind: Named,
		Call: func(ctx context.Context) (proto.Message, error) { return c.newChat(ctx, at.call, p.Mark) }}
}
