package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestFaultsAsFreshdeskTellsThem(t *testing.T) {
	w := start(t, nil)
	incident := fault.Internal(errors.New("secret")).With(fault.MetaIncident, "ABCD")
	for _, c := range []struct {
		name   string
		err    error
		status int
		body   string
		header [2]string
	}{
		{"validation", fault.Missing("name", "email"), 400, `{"description":"Validation failed","errors":[{"field":"name","message":"It should not be blank","code":"missing_field"},{"field":"email","message":"It should not be blank","code":"missing_field"}]}`, [2]string{"Content-Type", jsonType}},
		{"duplicate", fault.Duplicate("email", 123), 409, `{"description":"Validation failed","errors":[{"field":"email","message":"It should be a unique value","code":"duplicate_value","additional_info":{"user_id":123}}]}`, [2]string{}},
		{"exists", fault.Exists("agent"), 409, `{"code":"already_exists","message":"it exists already"}`, [2]string{}},
		{"stale", fault.Conflict(faultv1.Reason_REASON_STALE), 409, `{"code":"stale","message":"it has changed meanwhile; read it and try again"}`, [2]string{}},
		{"state", fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, ""), 409, `{"code":"inconsistent_state","message":"its state does not allow this"}`, [2]string{}},
		{"not found", fault.NotFound("contact", 7), 404, "", [2]string{"Content-Type", "text/html; charset=utf-8"}},
		{"fenced", fault.Fenced(nil), 404, "", [2]string{}},
		{"restricted", fault.Denied(faultv1.Reason_REASON_RESTRICTED), 403, `{"code":"restricted","message":"you are not authorized to perform this action"}`, [2]string{}},
		{"denied", fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED), 403, `{"code":"access_denied","message":"you are not authorized to perform this action"}`, [2]string{}},
		{"deleted", fault.State(faultv1.Reason_REASON_METHOD_NOT_ALLOWED, "x"), 405, `{"message":"PUT method is not allowed. It should be one of these method(s): DELETE, GET"}`, [2]string{"Allow", "DELETE, GET"}},
		{"token ended", fault.Unauthenticated(nil), 401, unauthorized, [2]string{}},
		{"too large", fault.TooLarge("text", 5), 413, `{"code":"invalid_value","message":"The request is too large."}`, [2]string{}},
		{"limited", fault.RateLimited(17), 429, `{"code":"rate_limited","message":"You have used up your calls for now."}`, [2]string{"Retry-After", "17"}},
		{"unavailable", fault.Unavailable(nil), 503, `{"code":"unavailable","message":"not available now; try again"}`, [2]string{"Retry-After", "1"}},
		{"deadline", context.DeadlineExceeded, 504, `{"code":"deadline","message":"the time was up"}`, [2]string{}},
		{"internal", incident, 500, `{"code":"internal_error","message":"Something went wrong on our side; ask for incident ABCD"}`, [2]string{}},
		{"unimplemented", fault.New(fault.KindUnimplemented, faultv1.Reason_REASON_UNIMPLEMENTED, ""), 404, "", [2]string{}},
	} {
		w.on(contactsv1.ContactsService_UpdateContact_FullMethodName, nil, c.err)
		r := w.do("PUT", "/api/v2/contacts/7", `{"name":"A"}`)
		r.want(t, c.status, c.body)
		if c.header[0] != "" && r.Header.Get(c.header[0]) != c.header[1] {
			t.Errorf("%s: %s is %q", c.name, c.header[0], r.Header.Get(c.header[0]))
		}
	}
}

// failing is a connection to something that is no service of Lethe.
type failing struct {
	grpc.ClientConnInterface
	err error
}

func (f failing) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if method == contactsv1.IdentityService_IssueToken_FullMethodName {
		return f.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
	}
	return f.err
}

func TestForeignErrorsShowNothing(t *testing.T) {
	for _, err := range []error{status.Error(codes.Unknown, "anna@example.org"), status.Error(codes.DataLoss, "anna@example.org"), errors.New("open /home/anna: denied")} {
		w := start(t, func(c *Config) { c.Contacts = failing{c.Contacts, err} })
		r := w.do("GET", "/api/v2/contacts/7", "")
		r.want(t, 500, "*")
		_, incident, ok := strings.Cut(r.body, "incident ")
		if !ok || strings.Contains(r.body, "anna") {
			t.Error(r.body)
		}
		if log := w.log.String(); !strings.Contains(log, strings.TrimSuffix(incident, `"}`)) || strings.Contains(log, "anna@") {
			t.Error(log)
		}
	}
}

func TestHardDeleteOfAContactThatIsNotSoftDeleted(t *testing.T) {
	w := start(t, nil)
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{fault.State(faultv1.Reason_REASON_INCONSISTENT_STATE, ""), 400, ""},
		{fault.State(faultv1.Reason_REASON_HELD, ""), 403, `{"code":"held","message":"its state does not allow this"}`},
		{fault.Denied(faultv1.Reason_REASON_FOUR_EYES), 403, `{"code":"four_eyes","message":"you are not authorized to perform this action"}`},
		{fault.NotFound("contact", 7), 404, ""},
	} {
		w.on(privacyv1.PrivacyService_HardDeleteContact_FullMethodName, nil, c.err)
		r := w.do("DELETE", "/api/v2/contacts/7/hard_delete", "")
		r.want(t, c.status, c.body)
		if c.body == "" && !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			t.Error(r.Header.Get("Content-Type"))
		}
	}
}

func TestAHandlerMayCallItsRoutesMethodOnly(t *testing.T) {
	w := start(t, nil)
	c := guarded{w.gw.cfg.Contacts}
	if err := c.Invoke(context.Background(), contactsv1.ContactsService_GetContact_FullMethodName, &contactsv1.GetContactRequest{}, &contactsv1.GetContactResponse{}); err == nil {
		t.Error("a call outside of a request was made")
	}
	if _, err := c.NewStream(context.Background(), nil, ""); err == nil {
		t.Error("a stream was opened")
	}
	if w.count() != 0 {
		t.Error("a service was called")
	}
}

func TestAnswersThatCannotBeWritten(t *testing.T) {
	w := start(t, nil)
	bad := contact(1, "A")
	bad.Contact.CreatedAt = &timestamppb.Timestamp{Seconds: 1 << 60}
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, bad, nil)
	w.do("GET", "/api/v2/contacts/1", "").want(t, 500, "*")
	if strings.Contains(w.log.String(), "\"cause\":\"\"") {
		t.Error(w.log.String())
	}
}
