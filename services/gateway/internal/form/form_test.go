package form

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	ticketsv1 "github.com/lethe-desk/lethe/gen/go/lethe/tickets/v1"
	"github.com/lethe-desk/lethe/services/internal/platform/fault"
)

var input = (&ticketsv1.TicketInput{}).ProtoReflect().Descriptor()

// stage reads files to the end and numbers them.
func stage(read *int64) Upload {
	n := int64(0)
	return func(_ context.Context, _, _ string, r io.Reader) (int64, error) {
		k, err := io.Copy(io.Discard, r)
		*read += k
		n++
		return n, err
	}
}

func read(body, boundary string, up Upload) (string, error) {
	b, err := Read(context.Background(), multipart.NewReader(strings.NewReader(body), boundary), input, up)
	return string(b), err
}

func part(head, body string) string {
	return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + body + "\r\n"
}

func TestValuesAreTypedByTheMessage(t *testing.T) {
	var n int64
	body := part(`name="priority"`, " 1 ") + part(`name="subject"`, "1") + part(`name="type"`, "") + part(`name="status"`, "") + part(`name="due_by"`, "2026-01-02") +
		part(`name="custom_fields"`, `{"a":[1]}`) + part(`name="tags[]"`, "1") + part(`name="attachment_ids[]"`, "9") + part(`name="attachments[]"; filename="x"`, "abc") + "--b--"
	got, err := read(body, "b", stage(&n))
	want := `{"priority":1,"subject":"1","type":"","status":null,"due_by":"2026-01-02","custom_fields":{"a":[1]},"tags":["1"],"attachment_ids":[9,1]}`
	if err != nil || got != want || n != 3 {
		t.Errorf("%v %d\n got %s\nwant %s", err, n, got, want)
	}
}

func TestFormsAreBounded(t *testing.T) {
	var n int64
	if _, err := read(strings.Repeat(part(`name="tags[]"`, "x"), maxParts+1)+"--b--", "b", stage(&n)); !fault.Is(err, fault.KindInvalid) {
		t.Error(err)
	}
	if _, err := read(part(`name="subject"`, strings.Repeat("x", maxText/2))+part(`name="description"`, strings.Repeat("x", maxText/2+1))+"--b--", "b", stage(&n)); !fault.Is(err, fault.KindExhausted) {
		t.Error(err)
	}
	if _, err := read(part(`name="attachments[]"; filename="x"`, strings.Repeat("x", MaxFiles+1))+"--b--", "b", stage(&n)); !fault.Is(err, fault.KindInvalid) || n > MaxFiles {
		t.Error(err, n)
	}
}

func TestAFailedUploadEndsTheForm(t *testing.T) {
	down := errors.New("down")
	_, err := read(part(`name="attachments[]"; filename="x"`, "abc")+"--b--", "b", func(context.Context, string, string, io.Reader) (int64, error) { return 0, down })
	if !errors.Is(err, down) {
		t.Error(err)
	}
	// A form that breaks off inside of a file is no form, whatever the service said of the file.
	var n int64
	if _, err = read("--b\r\nContent-Disposition: form-data; name=\"attachments[]\"; filename=\"x\"\r\n\r\nabc", "b", stage(&n)); !fault.Is(err, fault.KindInvalid) {
		t.Error(err)
	}
}

func TestNamesOfFiles(t *testing.T) {
	for in, want := range map[string]string{"a.txt": "a.txt", `C:\x\ü.png`: "ü.png", "../../etc/passwd": "passwd", "a\r\nb\x00": "ab", "": "file", "x/": "file", strings.Repeat("ü", 200): strings.Repeat("ü", 127)} {
		if got := cleanName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	for in, want := range map[string]string{"text/plain; charset=utf-8": "text/plain; charset=utf-8", "": "application/octet-stream", "a/b/c": "application/octet-stream", "TEXT/HTML": "text/html"} {
		if got := cleanType(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// FuzzRead: whatever comes, what is made of it is JSON or the error a fault,
// and no more than MaxFiles bytes of files go out.
func FuzzRead(f *testing.F) {
	f.Add(part(`name="priority"`, "1")+part(`name="custom_fields[a]"`, "x")+part(`name="attachments[]"; filename="x"`, "abc")+"--b--", "b")
	f.Add(part(`name="tags[]"`, "\xff")+part(`name="a\"b"`, `{"`)+"--b--", "b")
	f.Add("--b\r\n\r\n", "b")
	f.Add(part(`name="subject"`, "a")+part(`name="subject[]"`, "b")+part(`name="due_by[]"`, "{}"), "b")
	f.Fuzz(func(t *testing.T, body, boundary string) {
		var n int64
		got, err := read(body, boundary, stage(&n))
		if n > MaxFiles {
			t.Fatalf("%d bytes of files", n)
		}
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("%q", got)
		}
	})
}
