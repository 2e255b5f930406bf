package gateway

import (
	"testing"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	"google.golang.org/protobuf/proto"
)

func TestGetContact(t *testing.T) {
	w := start(t, nil)
	w.on(contactsv1.ContactsService_GetContact_FullMethodName, &contactsv1.GetContactResponse{Contact: &contactsv1.Contact{Id: proto.Int64(43001122334), Name: proto.String("Mara")}}, nil)
	r := w.do("GET", "/api/v2/contacts/43001122334", "")
	r.want(t, 200, "*")
	t.Log(r.body, r.Header)
	if got := w.last(t); got.req.(*contactsv1.GetContactRequest).GetId() != 43001122334 || len(got.md.Get("authorization")) != 1 || got.md.Get("authorization")[0] != "Bearer token-"+goodKey {
		t.Errorf("%+v", got)
	}
}
