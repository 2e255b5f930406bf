package redact

import (
	"strings"
	"testing"
	"time"

	contactsv1 "github.com/lethe-desk/lethe/gen/go/lethe/contacts/v1"
	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const canary = "Zorro-Canary-7731"

func TestPersonalFieldsBecomePlaceholders(t *testing.T) {
	custom, err := structpb.NewStruct(map[string]any{canary: canary})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := &contactsv1.Contact{
		Id: proto.Int64(41), Name: proto.String(canary), Email: proto.String(canary), OtherEmails: []string{canary},
		CustomFields: custom, ViewAllTickets: proto.Bool(true), CreatedAt: timestamppb.New(at),
	}
	v := View(c)
	for _, f := range []string{"name", "email", "other_emails", "custom_fields"} {
		if v[f] != Placeholder {
			t.Errorf("%s shows %v", f, v[f])
		}
	}
	if v["id"] != int64(41) || v["view_all_tickets"] != true || v["created_at"] != at {
		t.Errorf("references and plain fields are missing: %v", v)
	}
	if text := JSON(c); strings.Contains(text, canary) || !strings.Contains(text, `"id":41`) {
		t.Errorf("%s", text)
	}
	if c.GetName() != canary {
		t.Error("the message was changed")
	}
}

func TestMasksShowNoKeysOfFreeMaps(t *testing.T) {
	m := &contactsv1.UpdateContactRequest{Id: 3, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"name", "custom_fields." + canary}}}
	text := JSON(m)
	if strings.Contains(text, canary) || !strings.Contains(text, `["name","custom_fields"]`) {
		t.Fatal(text)
	}
}

func TestLinksShowTheirIds(t *testing.T) {
	m := &participantv1.FenceRequest{Subject: &participantv1.Subject{Account: proto.Int64(1), Id: proto.Int64(9)}, Saga: proto.String("S")}
	if text := JSON(m); !strings.Contains(text, `"subject":{"account":1,"id":9}`) {
		t.Fatal(text)
	}
}

func TestUnmarkedMessagesShowNothing(t *testing.T) {
	s, err := structpb.NewStruct(map[string]any{"a": canary})
	if err != nil {
		t.Fatal(err)
	}
	if text := JSON(s); strings.Contains(text, canary) {
		t.Fatal(text)
	}
	if View(nil) != nil {
		t.Fatal("nil has a view")
	}
}
