package rpc

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/tickets/internal/app"
	"github.com/lethe-desk/lethe/services/tickets/internal/ticket"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// whole sets every field of a value below v to something that is not zero.
func whole(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(1_900_000_000_123).UTC()))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{"cf": "x"}))
		return
	case ticket.Includes:
		v.Set(reflect.ValueOf(ticket.Includes{"stats": true, "requester": true, "conversations": true, "description": true}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		whole(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			whole(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		whole(v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	}
}

// unset names the fields of a message that nobody set.
func unset(m proto.Message) []string {
	var out []string
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		if !r.Has(fields.Get(i)) {
			out = append(out, string(fields.Get(i).Name()))
		}
	}
	slices.Sort(out)
	return out
}

func TestMessagesShowEverything(t *testing.T) {
	var ticketView app.TicketView
	var conversation app.ConversationView
	var file ticket.Attachment
	var thread ticket.Thread
	var message ticket.Message
	var call ticket.Call
	var chat ticket.Chat
	for _, v := range []any{&ticketView, &conversation, &file, &thread, &message, &call, &chat} {
		whole(reflect.ValueOf(v).Elem())
	}
	shown := showWhole(&ticketView, time.UnixMilli(0))
	for _, c := range []struct {
		m proto.Message
		// absent are fields that Lethe has nothing for, or that a call does not answer.
		absent string
	}{
		{shown, "association_type fwd_emails support_email to_emails"},
		{shown.Stats, ""}, {shown.Requester, ""},
		{showConversation(&conversation), "support_email"},
		{showReply(&conversation), ""}, {showNote(&conversation), "support_email"},
		{showFile(&file), ""}, {showThread(&thread), ""}, {showMessage(&message), ""},
		{showCall(&call), ""}, {showChat(&chat), ""}, {showChat(&chat).Messages[0], ""},
	} {
		if got := strings.Join(unset(c.m), " "); got != c.absent {
			t.Errorf("%s: unset %q, want %q", c.m.ProtoReflect().Descriptor().Name(), got, c.absent)
		}
	}
}

func TestListsLeaveDescriptionsOut(t *testing.T) {
	var v app.TicketView
	whole(reflect.ValueOf(&v).Elem())
	v.Includes = nil
	if m := showListed(&v, time.UnixMilli(0)); m.Description != nil || m.DescriptionText != nil || m.Stats != nil {
		t.Errorf("%v", m)
	}
}

// filled returns a message with every field set.
func filled(m protoreflect.Message) protoreflect.Message {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		var v protoreflect.Value
		switch f.Kind() {
		case protoreflect.StringKind:
			v = protoreflect.ValueOfString("x")
		case protoreflect.Int32Kind:
			v = protoreflect.ValueOfInt32(7)
		case protoreflect.Int64Kind:
			v = protoreflect.ValueOfInt64(7)
		case protoreflect.MessageKind:
			var inner proto.Message
			switch f.Message().FullName() {
			case "google.protobuf.Timestamp":
				inner = timestamppb.New(time.Unix(1e9, 0))
			case "google.protobuf.Struct":
				inner = &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewNumberValue(1)}}
			default:
				inner = filled((&ticketsv1.ChatMessage{}).ProtoReflect()).Interface()
			}
			v = protoreflect.ValueOfMessage(inner.ProtoReflect())
		}
		if f.IsList() {
			l := m.Mutable(f).List()
			l.Append(v)
			continue
		}
		m.Set(f, v)
	}
	return m
}

// zeros names the fields of a struct below v that are zero.
func zeros(v reflect.Value, path string) []string {
	if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
		var out []string
		for i := range v.NumField() {
			out = append(out, zeros(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
		return out
	}
	if v.IsZero() {
		return []string{path}
	}
	return nil
}

func TestInputsAreReadWhole(t *testing.T) {
	in := filled((&ticketsv1.TicketInput{}).ProtoReflect()).Interface().(*ticketsv1.TicketInput)
	call := filled((&ticketsv1.CallInput{}).ProtoReflect()).Interface().(*ticketsv1.CallInput)
	chat := filled((&ticketsv1.ChatInput{}).ProtoReflect()).Interface().(*ticketsv1.ChatInput)
	c := chatInput(chat)
	for _, v := range []any{*ticketInput(in), *callInput(call), *c, c.Lines[0]} {
		if got := zeros(reflect.ValueOf(v), ""); got != nil {
			t.Errorf("%T: not read: %v", v, got)
		}
	}
	// and absent stays absent
	if got := zeros(reflect.ValueOf(*ticketInput(&ticketsv1.TicketInput{})), ""); len(got) < 22 {
		t.Errorf("something came of nothing: %v", got)
	}
}

func TestKeysIgnoreUploads(t *testing.T) {
	key := func(in *ticketsv1.ReplyInput, on int64) string {
		k, err := keyOf("k", in, on)
		if err != nil {
			t.Fatal(err)
		}
		return string(k.Body)
	}
	a := &ticketsv1.ReplyInput{Body: proto.String("x"), AttachmentIds: []int64{1}}
	b := &ticketsv1.ReplyInput{Body: proto.String("x"), AttachmentIds: []int64{2}}
	if key(a, 1) != key(b, 1) || key(a, 1) == key(a, 2) || key(a, 1) == key(&ticketsv1.ReplyInput{Body: proto.String("y")}, 1) {
		t.Error("hashes")
	}
	if len(a.AttachmentIds) != 1 {
		t.Error("the request was changed")
	}
}
