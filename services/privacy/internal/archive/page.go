package archive

import (
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	participantv1 "github.com/lethe-desk/lethe/gen/go/lethe/participant/v1"
)

// pageForm writes index.html: the whole archive for reading, without scripts
// and without anything fetched from elsewhere.
type pageForm struct {
	z  *bundle
	w  io.Writer
	at section
}

const pageHead = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Your data</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2330}
h2{margin-top:2.5rem;border-bottom:2px solid #d5dbe5;text-transform:capitalize}
dl{display:grid;grid-template-columns:12rem 1fr;gap:.2rem 1rem;border:1px solid #d5dbe5;border-radius:.5rem;padding:1rem;margin:1rem 0}
dt{color:#5b6678}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
</style>
<h1>Your data</h1>
<p>This archive holds what the desk keeps about you. Each part is also there as
<code>data/…json</code> (exact) and <code>tables/…csv</code> (for a spreadsheet);
<code>manifest.json</code> lists every file with its SHA-256, and what is left out and why.</p>
`

func (f *pageForm) start() error {
	if f.w != nil {
		return nil
	}
	w, err := f.z.begin("index.html")
	if err != nil {
		return err
	}
	f.w = w
	_, err = io.WriteString(w, pageHead)
	return err
}

func (f *pageForm) record(participant, resource string, m proto.Message) error {
	if err := f.start(); err != nil {
		return err
	}
	if f.at.moved(participant, resource) {
		if _, err := fmt.Fprintf(f.w, "<h2>%s</h2>\n", html.EscapeString(strings.ReplaceAll(resource, "_", " "))); err != nil {
			return err
		}
	}
	var b strings.Builder
	b.WriteString("<dl>")
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		value, err := text(m.ProtoReflect(), fd)
		if err != nil {
			return err
		}
		// The HTML twin of a text would only repeat it.
		if value == "" || fields.ByName(fd.Name()+"_text") != nil {
			continue
		}
		fmt.Fprintf(&b, "<dt>%s</dt><dd>%s</dd>", html.EscapeString(strings.ReplaceAll(string(fd.Name()), "_", " ")), html.EscapeString(value))
	}
	b.WriteString("</dl>\n")
	_, err := io.WriteString(f.w, b.String())
	return err
}

func (f *pageForm) file(head *participantv1.ExportFile) error {
	if err := f.start(); err != nil {
		return err
	}
	path := html.EscapeString((&url.URL{Path: pathOf(head)}).String())
	_, err := fmt.Fprintf(f.w, "<p>File <a href=\"%s\">%s</a>, %s bytes</p>\n", path, html.EscapeString(head.GetName()), number(head.GetSize()))
	return err
}

func (f *pageForm) end() error {
	if err := f.start(); err != nil {
		return err
	}
	_, err := io.WriteString(f.w, "</html>\n")
	return err
}
