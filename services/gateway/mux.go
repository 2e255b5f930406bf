package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ratingsv1 "github.com/lethe-desk/lethe/gen/go/lethe/ratings/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/gateway/internal/route"
	"github.com/lethe-desk/lethe/services/internal/platform/datamap"
	"github.com/lethe-desk/lethe/services/internal/platform/wire"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// service is one service of the contract and the generated code that serves it over REST.
type service struct {
	name     string
	conn     grpc.ClientConnInterface
	register func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error
}

// with makes a registration of a generated pair of functions.
func with[C any](client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

func (g *Gateway) services() []service {
	c, t, f, r, p := g.cfg.Contacts, g.cfg.Tickets, g.cfg.Forums, g.cfg.Ratings, g.cfg.Privacy
	return []service{
		{contactsv1.ContactsService_ServiceDesc.ServiceName, c, with(contactsv1.NewContactsServiceClient, contactsv1.RegisterContactsServiceHandlerClient)},
		{contactsv1.AgentsService_ServiceDesc.ServiceName, c, with(contactsv1.NewAgentsServiceClient, contactsv1.RegisterAgentsServiceHandlerClient)},
		{contactsv1.IdentityService_ServiceDesc.ServiceName, c, with(contactsv1.NewIdentityServiceClient, contactsv1.RegisterIdentityServiceHandlerClient)},
		{ticketsv1.TicketsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewTicketsServiceClient, ticketsv1.RegisterTicketsServiceHandlerClient)},
		{ticketsv1.ConversationsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewConversationsServiceClient, ticketsv1.RegisterConversationsServiceHandlerClient)},
		{ticketsv1.AttachmentsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewAttachmentsServiceClient, ticketsv1.RegisterAttachmentsServiceHandlerClient)},
		{ticketsv1.CallsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewCallsServiceClient, ticketsv1.RegisterCallsServiceHandlerClient)},
		{ticketsv1.ChatsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewChatsServiceClient, ticketsv1.RegisterChatsServiceHandlerClient)},
		{ticketsv1.ThreadsService_ServiceDesc.ServiceName, t, with(ticketsv1.NewThreadsServiceClient, ticketsv1.RegisterThreadsServiceHandlerClient)},
		{forumsv1.ForumsService_ServiceDesc.ServiceName, f, with(forumsv1.NewForumsServiceClient, forumsv1.RegisterForumsServiceHandlerClient)},
		{forumsv1.TopicsService_ServiceDesc.ServiceName, f, with(forumsv1.NewTopicsServiceClient, forumsv1.RegisterTopicsServiceHandlerClient)},
		{forumsv1.SolutionsService_ServiceDesc.ServiceName, f, with(forumsv1.NewSolutionsServiceClient, forumsv1.RegisterSolutionsServiceHandlerClient)},
		{ratingsv1.RatingsService_ServiceDesc.ServiceName, r, with(ratingsv1.NewRatingsServiceClient, ratingsv1.RegisterRatingsServiceHandlerClient)},
		{privacyv1.PrivacyService_ServiceDesc.ServiceName, p, with(privacyv1.NewPrivacyServiceClient, privacyv1.RegisterPrivacyServiceHandlerClient)},
	}
}

// routes fills the table. The generated mux matches the paths it got last
// first, so /agents/me would be an agent named me. Its handlers are therefore
// taken as they are registered, which is in the order of the contract, and
// called by the table; guarded makes sure that a handler calls no other method
// than its route's.
func (g *Gateway) routes() error {
	var taken []runtime.HandlerFunc
	take := func(next runtime.HandlerFunc) runtime.HandlerFunc {
		taken = append(taken, next)
		return next
	}
	setQueryParser()
	m := marshaler{}
	g.mux = runtime.NewServeMux(
		runtime.WithMiddlewares(take),
		runtime.WithMarshalerOption(runtime.MIMEWildcard, m),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithForwardResponseOption(g.succeed),
		runtime.WithForwardResponseRewriter(func(ctx context.Context, _ proto.Message) (any, error) { return callOf(ctx).answer, nil }),
		runtime.WithErrorHandler(func(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
			g.fail(w, callOf(ctx), err)
		}))
	for _, s := range g.services() {
		routes, err := route.Of(s.name)
		if err != nil {
			return err
		}
		taken = nil
		if err := s.register(g.closed, g.mux, guarded{s.conn}); err != nil {
			return fmt.Errorf("register %s: %w", s.name, err)
		}
		if len(taken) != len(routes) {
			return fmt.Errorf("%s has %d routes in the contract and %d in the generated code", s.name, len(routes), len(taken))
		}
		for i, r := range routes {
			if err := g.add(r, taken[i]); err != nil {
				return err
			}
		}
	}
	return g.ownRoutes()
}

// add puts a route into the table; the stream of events has a handler of its own.
func (g *Gateway) add(r *route.Route, generated runtime.HandlerFunc) error {
	if r.FullMethod == privacyv1.PrivacyService_WatchSaga_FullMethodName {
		r.Handler, r.AnyType = g.events, true
		return g.table.Add(r)
	}
	if r.Method.IsStreamingServer() || r.Method.IsStreamingClient() {
		return fmt.Errorf("%s is a stream nobody here answers", r.FullMethod)
	}
	r.Handler = func(w http.ResponseWriter, req *http.Request) { generated(w, req, callOf(req.Context()).params) }
	return g.table.Add(r)
}

// ownRoutes adds the paths that http annotations cannot describe.
func (g *Gateway) ownRoutes() error {
	handlers := map[string]http.HandlerFunc{
		route.AttachmentDownload: g.downloadAttachment, route.ExportDownload: g.downloadExport,
		route.DataMapCSV: g.dataMap(datamap.Map.RowsCSV), route.FlowsCSV: g.dataMap(datamap.Map.FlowsCSV), route.DataMapSVG: g.dataMap(datamap.Map.SVG),
	}
	own, err := route.Own()
	if err != nil {
		return err
	}
	for _, r := range own {
		if r.Handler = handlers[r.Template]; r.Handler == nil {
			return fmt.Errorf("nobody answers %s", r.Template)
		}
		if err := g.table.Add(r); err != nil {
			return err
		}
	}
	return nil
}

// guarded lets a request's handler call the method of its route and no other.
type guarded struct{ grpc.ClientConnInterface }

// Invoke calls the method if it is the route's.
func (c guarded) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if r := callOf(ctx).route; r == nil || r.FullMethod != method {
		return fmt.Errorf("handler calls %s, which is not its route's method", method)
	}
	return c.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}

// NewStream is refused: streams have handlers of their own.
func (c guarded) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("streams are not served by generated code")
}

// prepared is a request body that has been read already.
type prepared struct {
	io.ReadCloser
	message proto.Message
}

// marshaler hands prepared bodies in and finished answers out; package wire has done the work.
type marshaler struct{}

// Marshal returns the bytes it is given.
func (marshaler) Marshal(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("answer %T was not written by the gateway", v)
	}
	return b, nil
}

// Unmarshal is refused: bodies are read before the generated code runs.
func (marshaler) Unmarshal([]byte, any) error { return errors.New("bodies are read by the gateway") }

// NewDecoder returns a decoder that hands a prepared body over.
func (marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(into any) error {
		p, ok := r.(prepared)
		if !ok {
			return io.EOF
		}
		if m, ok := into.(proto.Message); ok && m.ProtoReflect().Type() == p.message.ProtoReflect().Type() {
			proto.Merge(m, p.message)
			return nil
		}
		target := reflect.ValueOf(into).Elem()
		message := reflect.ValueOf(p.message)
		if !message.Type().AssignableTo(target.Type()) {
			return fmt.Errorf("body is %s and not %s", message.Type(), target.Type())
		}
		target.Set(message)
		return nil
	})
}

// NewEncoder returns an encoder that writes the bytes it is given.
func (m marshaler) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		b, err := m.Marshal(v)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
}

// ContentType is that of every JSON answer.
func (marshaler) ContentType(any) string { return jsonType }

// setQueryParser replaces the parser of all muxes of the process, once: the
// generated code knows no other way. Other muxes would find it stricter than
// the one it replaces.
var setQueryParser = sync.OnceFunc(func() { runtime.SetQueryParameterParser(queryParser{})(nil) })

// queryParser sets what readQuery has checked, and the update mask.
type queryParser struct{}

// Parse fills a request from the values the gateway has prepared.
func (queryParser) Parse(m proto.Message, values url.Values, _ *utilities.DoubleArray) error {
	pm := m.ProtoReflect()
	for name, texts := range values {
		fd := pm.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			return fmt.Errorf("request has no field of a parameter's name")
		}
		if fd.Message() != nil && fd.Message().FullName() == "google.protobuf.FieldMask" {
			pm.Set(fd, protoreflect.ValueOfMessage((&fieldmaskpb.FieldMask{Paths: texts}).ProtoReflect()))
			continue
		}
		for _, text := range texts {
			if v, ok := wire.SetText(pm, fd, text); !ok {
				return fmt.Errorf("parameter %s: %s", name, v.Message)
			}
		}
	}
	return nil
}
