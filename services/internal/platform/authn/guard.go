package authn

import (
	"context"
	"errors"
	"strings"
	"sync"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	optionsv1 "github.com/lethe-desk/lethe/gen/go/lethe/options/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// foreign are the services outside of the contract that a server may have. What
// the contract holds is no secret: who switches reflection on offers it to all.
var foreign = map[string]optionsv1.Permission{
	"grpc.health.v1.Health":                    optionsv1.Permission_PERMISSION_PUBLIC,
	"grpc.reflection.v1.ServerReflection":      optionsv1.Permission_PERMISSION_PUBLIC,
	"grpc.reflection.v1alpha.ServerReflection": optionsv1.Permission_PERMISSION_PUBLIC,
}

// Guard checks token and permission of every call. Safe for concurrent use.
type Guard struct {
	verifier *Verifier
	files    *protoregistry.Files
	methods  sync.Map // full method -> optionsv1.Permission
	barred   Bar
}

// Bar reports whether somebody may not write any more, whatever their token
// says: a token lives for minutes and cannot be called back. It is asked for
// every call that writes, so it should cost no more than one read.
type Bar func(ctx context.Context, account, actor int64) (barred bool, err error)

// NewGuard returns a guard that reads permissions from the registered contract.
func NewGuard(v *Verifier) *Guard { return &Guard{verifier: v, files: protoregistry.GlobalFiles} }

// Bar sets what is asked about people who call methods that write, after their
// permission; services are not asked about. It belongs before the first call.
func (g *Guard) Bar(b Bar) { g.barred = b }

// PermissionOf returns the permission a method asks for ("/lethe.contacts.v1.ContactsService/GetContact");
// unspecified for a method the contract does not know or says nothing about.
func (g *Guard) PermissionOf(fullMethod string) optionsv1.Permission {
	if p, ok := g.methods.Load(fullMethod); ok {
		return p.(optionsv1.Permission)
	}
	service, method, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if p, ok := foreign[service]; ok {
		return p
	}
	d, err := g.files.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return optionsv1.Permission_PERMISSION_UNSPECIFIED
	}
	md, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return optionsv1.Permission_PERMISSION_UNSPECIFIED
	}
	p, _ := proto.GetExtension(md.Options(), optionsv1.E_Permission).(optionsv1.Permission)
	g.methods.Store(fullMethod, p)
	return p
}

// Admit returns a context with the caller's identity, or a fault: unauthenticated
// without a good token, denied without the permission or behind a bar, unavailable
// when nobody can say whether there is one. A token that is shown must be good
// even where none is needed.
func (g *Guard) Admit(ctx context.Context, fullMethod string) (context.Context, error) {
	need := g.PermissionOf(fullMethod)
	if need == optionsv1.Permission_PERMISSION_UNSPECIFIED {
		return nil, fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
	}
	token, shown, err := bearer(ctx)
	if err != nil {
		return nil, fault.Unauthenticated(err)
	}
	if !shown {
		if need == optionsv1.Permission_PERMISSION_PUBLIC {
			return ctx, nil
		}
		return nil, fault.Unauthenticated(errors.New("no token"))
	}
	who, err := g.verifier.Verify(token)
	if err != nil {
		return nil, fault.Unauthenticated(err)
	}
	if !who.May(need) {
		return nil, fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED).With("permission", strings.ToLower(strings.TrimPrefix(need.String(), "PERMISSION_")))
	}
	if err := g.pass(ctx, who, need); err != nil {
		return nil, err
	}
	return WithIdentity(ctx, who), nil
}

// pass asks the bar about a person who is about to write.
func (g *Guard) pass(ctx context.Context, who Identity, need optionsv1.Permission) error {
	if g.barred == nil || who.Actor == 0 || who.Role == RoleService || !Writes(need) {
		return nil
	}
	barred, err := g.barred(ctx, who.Account, who.Actor)
	switch {
	case err != nil:
		return fault.Unavailable(err)
	case barred:
		return fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED)
	}
	return nil
}

// bearer returns the one token of a call's metadata.
func bearer(ctx context.Context) (token string, shown bool, err error) {
	values := metadata.ValueFromIncomingContext(ctx, header)
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		scheme, token, ok := strings.Cut(values[0], " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", true, errors.New("not a bearer token")
		}
		return token, true, nil
	}
	return "", true, errors.New("more than one token")
}

// Unary is the guard as an interceptor.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	ctx, err := g.Admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// Stream is the guard as a stream interceptor.
func (g *Guard) Stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, err := g.Admit(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handler(srv, withContext{ss, ctx})
}

type withContext struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context with the identity.
func (s withContext) Context() context.Context { return s.ctx }
