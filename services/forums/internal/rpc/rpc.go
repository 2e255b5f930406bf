// Package rpc is the gRPC side of the forums service: its methods, the
// conversions between messages and the domain, and its part in the participant contract.
package rpc

import (
	"context"

	forumsv1 "github.com/lethe-desk/lethe/gen/go/lethe/forums/v1"
	"github.com/lethe-desk/lethe/services/forums/internal/app"
	"github.com/lethe-desk/lethe/services/internal/platform/authn"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"github.com/lethe-desk/lethe/services/internal/platform/idem"
	"github.com/lethe-desk/lethe/services/internal/platform/page"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Services are the full names of what Register registers, the participant contract aside.
var Services = []string{"lethe.forums.v1.ForumsService", "lethe.forums.v1.TopicsService", "lethe.forums.v1.SolutionsService"}

// Register registers all services of forums.
func Register(r grpc.ServiceRegistrar, a *app.App) {
	forumsv1.RegisterForumsServiceServer(r, &forums{app: a})
	forumsv1.RegisterTopicsServiceServer(r, &topics{app: a})
	forumsv1.RegisterSolutionsServiceServer(r, &solutions{app: a})
}

// caller is who calls, as the interceptor found it.
func caller(ctx context.Context) app.Caller {
	who := authn.Caller(ctx)
	return app.Caller{Account: who.Account, Actor: who.Actor, Admin: who.Role == authn.RoleAdmin}
}

// keyOf makes the idempotency key of a call: the hash is over its input and the
// thing it stands in, whose id is in the path.
func keyOf(value string, input proto.Message, in int64) (app.Key, error) {
	if value == "" {
		return app.Key{}, nil
	}
	m := proto.Clone(input)
	unknown := m.ProtoReflect().GetUnknown()
	// the id of a path stands in a field number that no input has
	unknown = protowire.AppendTag(unknown, 536870000, protowire.VarintType)
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(unknown, uint64(in)))
	body, err := idem.Body(m)
	return app.Key{Value: value, Body: body}, err
}

// creation runs a creating method: the key of its input, the call, the message of what it made.
func creation[I proto.Message, V, M any](ctx context.Context, key string, input I, in int64, convert func(I) V,
	call func(context.Context, app.Caller, V, app.Key) (M, error)) (M, error) {
	k, err := keyOf(key, input, in)
	if err != nil {
		var zero M
		return zero, err
	}
	return call(ctx, caller(ctx), convert(input), k)
}

// list runs a listing method and shows what it found.
func list[V, M any](ctx context.Context, number, size *int32, show func(V) M,
	call func(ctx context.Context, c app.Caller, skip, limit int) ([]V, bool, error)) ([]M, *bool, error) {
	p, err := page.Of(number, size)
	if err != nil {
		return nil, nil, err
	}
	found, more, err := call(ctx, caller(ctx), p.Skip(), p.Size)
	if err != nil {
		return nil, nil, err
	}
	out := make([]M, len(found))
	for i, v := range found {
		out[i] = show(v)
	}
	return out, &more, nil
}

// missing refuses a request without its input.
func missing(field string) error { return fault.Missing(field) }
