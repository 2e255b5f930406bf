package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	faultv1 "github.com/lethe-desk/lethe/gen/go/lethe/fault/v1"
	privacyv1 "github.com/lethe-desk/lethe/gen/go/lethe/privacy/v1"
	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestDownloads(t *testing.T) {
	w := start(t, nil)
	w.files[5] = []any{&ticketsv1.Attachment{Id: proto.Int64(5), Name: proto.String(`Mära "1".html`), ContentType: proto.String("text/html"), Size: proto.Int64(10)}, "<b>", "hi</b>x", ""}
	w.files[6] = []any{&ticketsv1.Attachment{Name: proto.String("a.txt"), ContentType: proto.String("no/type/at all")}, "abc"}
	w.files[7] = []any{"no head"}
	w.files[8] = []any{&ticketsv1.Attachment{Name: proto.String("a"), Size: proto.Int64(100)}, "abc", fault.Unavailable(nil)}
	w.files[9] = []any{&ticketsv1.Attachment{Name: proto.String("a"), Size: proto.Int64(100)}, "abc"}
	r := w.do("GET", "/api/v2/attachments/5/download", "", "Accept", "text/html")
	r.want(t, 200, "<b>hi</b>x")
	for name, want := range map[string]string{
		"Content-Type": "text/html", "Content-Length": "10", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
		"Content-Disposition": `attachment; filename="M_ra _1_.html"; filename*=UTF-8''M%C3%A4ra%20%221%22.html`,
	} {
		if r.Header.Get(name) != want {
			t.Errorf("%s: %s", name, r.Header.Get(name))
		}
	}
	r = w.do("GET", "/api/v2/attachments/6/download", "")
	r.want(t, 200, "abc")
	if r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Content-Disposition") != `attachment; filename="a.txt"` {
		t.Errorf("%v", r.Header)
	}
	w.do("GET", "/api/v2/attachments/7/download", "").want(t, 500, "*")
	w.do("GET", "/api/v2/attachments/99/download", "").want(t, 404, "")
	w.do("GET", "/api/v2/attachments/5/download", "", "Authorization", "").want(t, 401, "*")
	w.do("PUT", "/api/v2/attachments/5/download", "").want(t, 405, "*")
	for _, id := range []string{"8", "9"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/api/v2/attachments/"+id+"/download", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", basic(goodKey))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("download %s broke off and nobody noticed", id)
		}
	}
	r = w.do("GET", "/api/v2/privacy/exports/77/download", "")
	r.want(t, 200, "PK\x03zip")
	if r.Header.Get("Content-Disposition") != `attachment; filename="export-77.zip"` || r.Header.Get("Content-Type") != "application/zip" || r.Header.Get("Content-Length") != "6" {
		t.Errorf("%v", r.Header)
	}
}

func event(n int64, state string) *privacyv1.WatchSagaResponse {
	return &privacyv1.WatchSagaResponse{Event: &privacyv1.SagaEvent{
		Sequence: proto.Int64(n), Saga: proto.String("01S"), State: proto.String(state), At: timestamppb.New(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)),
	}}
}

func frameText(n, state string) string {
	return "id: " + n + "\nevent: saga\ndata: {\"sequence\":" + n + ",\"saga\":\"01S\",\"state\":\"" + state + "\",\"stage\":null,\"step\":null,\"step_state\":null,\"code\":null,\"done\":null,\"total\":null,\"at\":\"2026-02-03T04:05:06Z\"}\n\n"
}

func TestEventsOfASaga(t *testing.T) {
	w := start(t, nil)
	w.watch = func(req *privacyv1.WatchSagaRequest, s grpc.ServerStreamingServer[privacyv1.WatchSagaResponse]) error {
		switch req.GetId() {
		case "none":
			return fault.ToStatus(fault.NotFound("saga", 0)).Err()
		case "empty":
			return nil
		case "breaks":
			return errors.Join(s.Send(event(1, "running")), fault.ToStatus(fault.New(fault.KindUnavailable, faultv1.Reason_REASON_UNAVAILABLE, "")).Err())
		}
		for n := req.GetAfter() + 1; n <= 3; n++ {
			if err := s.Send(event(n, "running")); err != nil {
				return err
			}
		}
		return nil
	}
	r := w.do("GET", "/api/v2/privacy/sagas/01S/events", "", "Accept", "text/event-stream")
	r.want(t, 200, frameText("1", "running")+frameText("2", "running")+frameText("3", "running"))
	if r.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.Header)
	}
	w.do("GET", "/api/v2/privacy/sagas/01S/events", "", "Last-Event-ID", "2").want(t, 200, frameText("3", "running"))
	w.do("GET", "/api/v2/privacy/sagas/01S/events?after=1", "").want(t, 200, frameText("2", "running")+frameText("3", "running"))
	w.do("GET", "/api/v2/privacy/sagas/01S/events", "", "Last-Event-ID", "x").want(t, 400, invalid("after", "invalid_value", "It should be the number of an event"))
	w.do("GET", "/api/v2/privacy/sagas/none/events", "").want(t, 404, "")
	w.do("GET", "/api/v2/privacy/sagas/empty/events", "").want(t, 200, "")
	w.do("GET", "/api/v2/privacy/sagas/breaks/events", "").want(t, 200, frameText("1", "running")+"event: error\ndata: {\"code\":\"unavailable\"}\n\n")
}

func TestQuietStreamsSayThatTheyAreAlive(t *testing.T) {
	ticks := make(chan time.Time)
	w := start(t, func(c *Config) { c.ticks = func() (<-chan time.Time, func()) { return ticks, func() {} } })
	more := make(chan *privacyv1.WatchSagaResponse)
	gone := make(chan struct{})
	w.watch = func(_ *privacyv1.WatchSagaRequest, s grpc.ServerStreamingServer[privacyv1.WatchSagaResponse]) error {
		defer close(gone)
		for {
			select {
			case m := <-more:
				if err := s.Send(m); err != nil {
					return err
				}
			case <-s.Context().Done():
				return s.Context().Err()
			}
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), "GET", w.url+"/api/v2/privacy/sagas/01S/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", basic(goodKey))
	go func() { ticks <- time.Time{} }()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != ": alive\n" {
		t.Fatalf("%q %v", line, err)
	}
	_, _ = lines.ReadString('\n')
	more <- event(1, "running")
	if line, err := lines.ReadString('\n'); err != nil || line != "id: 1\n" {
		t.Fatalf("%q %v", line, err)
	}
	// Closing the gateway ends the stream on both sides.
	if err := w.gw.Close(); err != nil {
		t.Fatal(err)
	}
	<-gone
	rest, err := io.ReadAll(lines)
	if err != nil || strings.Contains(string(rest), "error") {
		t.Errorf("%q %v", rest, err)
	}
}

func TestDataMapInAllForms(t *testing.T) {
	w := start(t, nil)
	row := &privacyv1.DataMapRow{
		Service: proto.String("tickets"), Resource: proto.String("tickets"), Field: proto.String("subject"), Category: proto.String("content"),
		Owner: proto.String("subject"), OnErase: proto.String("delete"), Purpose: proto.String("Settling, what was asked"),
	}
	flow := &privacyv1.DataMapFlow{Source: proto.String("gateway"), Target: proto.String("tickets"), Service: proto.String("TicketsService"), Categories: []string{"content"}}
	w.on(privacyv1.PrivacyService_GetDataMap_FullMethodName, &privacyv1.GetDataMapResponse{Rows: []*privacyv1.DataMapRow{row}, Flows: []*privacyv1.DataMapFlow{flow}}, nil)
	for path, want := range map[string][2]string{
		"data_map":           {"application/json", `"field":"subject"`},
		"data_map.csv":       {"text/csv", `tickets,tickets,subject,content,,subject,delete,,"Settling, what was asked"`},
		"data_map_flows.csv": {"text/csv", "gateway,tickets,TicketsService,content"},
		"data_map.svg":       {"image/svg+xml", "<svg "},
	} {
		r := w.do("GET", "/api/v2/privacy/"+path, "")
		if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), want[0]) || !strings.Contains(r.body, want[1]) {
			t.Errorf("%s: %d %v %.300s", path, r.StatusCode, r.Header, r.body)
		}
	}
	w.on(privacyv1.PrivacyService_GetDataMap_FullMethodName, nil, fault.Denied(faultv1.Reason_REASON_ACCESS_DENIED))
	w.do("GET", "/api/v2/privacy/data_map.svg", "").want(t, 403, "*")
}
