package scan

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

const person = "Zoë O'Brien-Łuk <zoe.obrien+desk@example.com>"

// encodings spell a text as a program would that knows nothing of this package.
var encodings = map[string]func(string) string{
	"utf-8":          func(s string) string { return s },
	"nfd":            norm.NFD.String,
	"utf-16le":       func(s string) string { return encode16(s, false) },
	"utf-16be":       func(s string) string { return encode16(s, true) },
	"base64 0":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 1":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte("~" + s + "~")) },
	"base64 2":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte("~?" + s + "?~")) },
	"base64url 1":    func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("?" + s + "~~")) },
	"base64 lines":   func(s string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(s)), 20, "\r\n") },
	"base64 pem":     func(s string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(s)), 16, "\n    ") },
	"base64 utf-16":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte(encode16(s, false))) },
	"hex":            func(s string) string { return hex.EncodeToString([]byte(s)) },
	"hex odd":        func(s string) string { return "a" + strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"percent":        url.PathEscape,
	"percent all":    func(s string) string { return each(s, "%%%02X") },
	"percent lower":  func(s string) string { return each(s, "%%%02x") },
	"percent twice":  func(s string) string { return url.PathEscape(url.PathEscape(s)) },
	"form":           url.QueryEscape,
	"qp":             quoted,
	"qp all":         func(s string) string { return each(s, "=%02X") },
	"qp soft":        func(s string) string { return wrap(each(s, "=%02X"), 12, "=\r\n") },
	"qp soft lf":     func(s string) string { return wrap(each(s, "=%02X"), 12, "=  \n") },
	"json":           func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"json slash":     func(s string) string { return strings.ReplaceAll(asciiJSON(s, "\\u%04x"), "/", `\/`) },
	"json upper":     func(s string) string { return asciiJSON(s, "\\u%04X") },
	"json all":       func(s string) string { return allJSON(s) },
	"json in json":   func(s string) string { b, _ := json.Marshal(allJSON(s)); return string(b) },
	"source":         func(s string) string { return fmt.Sprintf("%+q", s) },
	"octal":          func(s string) string { return each(s, "\\%03o") },
	"html":           html.EscapeString,
	"html numbers":   func(s string) string { return eachRune(s, "&#x%X;") },
	"encoded word q": func(s string) string { return mime.QEncoding.Encode("utf-8", s) },
	"encoded word b": func(s string) string { return mime.BEncoding.Encode("utf-8", s) },
	"json of base64": func(s string) string {
		b, _ := json.Marshal(wrap(base64.StdEncoding.EncodeToString([]byte(s)), 20, "\n"))
		return string(b)
	},
	"percent of base64": func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(s))) },
}

func wrap(s string, n int, sep string) string {
	var out []string
	for ; len(s) > n; s = s[n:] {
		out = append(out, s[:n])
	}
	return strings.Join(append(out, s), sep)
}

func each(s, format string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		fmt.Fprintf(&out, format, b)
	}
	return out.String()
}

func eachRune(s, format string) string {
	var out strings.Builder
	for _, r := range s {
		fmt.Fprintf(&out, format, r)
	}
	return out.String()
}

func units(s string) []uint16 {
	raw := encode16(s, true)
	out := make([]uint16, len(raw)/2)
	for i := range out {
		out[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
	}
	return out
}

func allJSON(s string) string {
	var out strings.Builder
	for _, u := range units(s) {
		fmt.Fprintf(&out, "\\u%04x", u)
	}
	return out.String()
}

func asciiJSON(s, format string) string {
	var out strings.Builder
	for _, u := range units(s) {
		if u < 0x80 && u != '"' && u != '<' {
			out.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&out, format, u)
		}
	}
	return out.String()
}

func quoted(s string) string {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	// Mail text before it, so that the soft break falls into the needle.
	_, _ = io.WriteString(w, strings.Repeat("word ", 10)+s)
	_ = w.Close()
	return out.String()
}

func finds(t testing.TB, set *Set, data string) []Find {
	t.Helper()
	var out []Find
	st := set.NewStream(func(f Find) { out = append(out, f) })
	if _, err := io.WriteString(st, data); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func compile(t testing.TB, needles ...string) *Set {
	t.Helper()
	set, err := Compile(needles)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestEveryEncoding plants a person in every encoding, case and position, and
// lets every boundary of a window fall into the find.
func TestEveryEncoding(t *testing.T) {
	caseOf := map[string]func(string) string{
		"as is": func(s string) string { return s }, "lower": strings.ToLower, "upper": strings.ToUpper,
		"mixed": func(s string) string {
			rs := []rune(strings.ToLower(s))
			for i := 0; i < len(rs); i += 2 {
				rs[i] = []rune(strings.ToUpper(string(rs[i])))[0]
			}
			return string(rs)
		},
	}
	filler := strings.Repeat("Nothing to see, 3% of = all \\ & more.\n", 400)
	set := compile(t, "somebody else entirely", person)
	set.window = 4 * set.reach
	for name, encode := range encodings {
		for caseName, change := range caseOf {
			text := encode(change(person))
			for _, before := range []int{0, 1, 2, 3, 50, set.window - 30, set.window - len(text)/2, set.window - 1, set.window, 2*set.window - set.reach - 7} {
				for _, after := range []int{0, len(filler)} {
					data := filler[:before] + "\n" + text + filler[:after]
					if before == 0 {
						data = text + filler[:after]
					}
					got := finds(t, set, data)
					if len(got) != 1 || got[0].Needle != 2 {
						t.Fatalf("%s, %s, after %d bytes, %d behind: found %v", name, caseName, before, after, got)
					}
					if at := got[0].Offset; at < int64(before) || at > int64(before+len(text)) {
						t.Errorf("%s, %s, after %d bytes: offset %d", name, caseName, before, at)
					}
				}
			}
		}
	}
}

// TestNothingThere is the negative control: the same encodings of somebody else.
func TestNothingThere(t *testing.T) {
	set := compile(t, person, "carol@example.org")
	for name, encode := range encodings {
		if got := finds(t, set, encode("Zoë O'Brien-Łuk <zoe.obrien+desk@example.net> carol@example.com")); len(got) != 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	if got := finds(t, set, string(noise)); len(got) != 0 {
		t.Errorf("noise: found %v", got)
	}
}

func TestOffsetsAndOverlaps(t *testing.T) {
	set := compile(t, "anna", "annabel", "bel@example.com", "NAB")
	got := finds(t, set, "xxAnnabel@example.com anna")
	want := []Find{{2, 1, "utf-8"}, {2, 2, "utf-8"}, {4, 4, "utf-8"}, {6, 3, "utf-8"}, {22, 1, "utf-8"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("found %v, want %v", got, want)
	}
}

func TestEncodingIsNamed(t *testing.T) {
	set := compile(t, "carol@example.org")
	for encoding, want := range map[string]string{
		"utf-8": "utf-8", "utf-16be": "utf-16be", "base64 1": "base64", "base64 utf-16": "base64 > utf-16le", "percent all": "percent",
		"qp soft": "quoted-printable", "json all": "json", "percent twice": "percent > percent", "html": "utf-8",
	} {
		got := finds(t, set, encodings[encoding]("carol@example.org"))
		if encoding == "percent twice" { // PathEscape leaves an @ alone
			got = finds(t, set, "carol%2540example.org")
		}
		if len(got) != 1 || got[0].Encoding != want {
			t.Errorf("%s: %v, want %s", encoding, got, want)
		}
	}
}

func TestUTF16FoldIsVerified(t *testing.T) {
	// U+0141 and U+0161 differ by what folds an ASCII letter.
	set := compile(t, "\u0141\u0141\u0141\u0141")
	if got := finds(t, set, encode16("\u0161\u0161\u0161\u0161", false)); len(got) != 0 {
		t.Fatalf("found %v", got)
	}
}

func TestLatin1(t *testing.T) {
	set := compile(t, "Jürgen Müßig")
	got := finds(t, set, "x J\xfcRGEN M\xfc\xdfIG x")
	if len(got) != 1 || got[0].Encoding != "latin-1" {
		t.Fatalf("found %v", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, needles := range map[string][]string{
		"none": {}, "only empty": {"", ""}, "short": {"ab"}, "long": {strings.Repeat("a", MaxNeedle+1)}, "not text": {"\xff\xfe\xfd"},
	} {
		if _, err := Compile(needles); err == nil {
			t.Errorf("%s: compiled", name)
		} else if strings.Contains(err.Error(), "ab,") {
			t.Errorf("%s: error shows the needle", name)
		}
	}
	set := compile(t, "", "second")
	if got := finds(t, set, "the second"); len(got) != 1 || got[0].Needle != 2 {
		t.Errorf("an empty needle lost its number: %v", got)
	}
}

// TestAgainstNaive compares the search with the obvious one.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		needles := rapid.SliceOfN(rapid.StringMatching("[ab]{3,12}"), 1, 12).Draw(t, "needles")
		data := rapid.StringMatching("[abAB]{0,80}").Draw(t, "data")
		set, err := Compile(needles)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		st := set.NewStream(func(f Find) {
			if f.Encoding == "utf-8" {
				got[fmt.Sprint(f.Offset, " ", f.Needle)] = true
			}
		})
		_, _ = io.WriteString(st, data)
		_ = st.Close()
		want := map[string]bool{}
		for i, needle := range needles {
			for at := range data {
				if strings.HasPrefix(strings.ToLower(data[at:]), needle) {
					want[fmt.Sprint(at, " ", i+1)] = true
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("found %v, want %v", got, want)
		}
	})
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipped(t *testing.T, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("bland text without anybody. ", 4000)
	write(t, dir, "clean.txt", []byte(long))
	write(t, dir, "a/b/plain.db", []byte(long+"carol@example.org"+long))
	write(t, dir, "export.zip", zipped(t, map[string]string{"x/contacts.json": long + `carol\u0040example.org`, "CAROL@example.org.txt": long}))
	write(t, dir, "log.gz", gzipped(t, long+"Y2Fyb2xAZXhhbXBsZS5vcmc="))
	write(t, dir, "deep.zip", zipped(t, map[string]string{"in.zip": string(zipped(t, map[string]string{"in.gz": string(gzipped(t, "carol@example.org"))}))}))
	set := compile(t, "carol@example.org")
	var got []string
	result, err := set.Paths(context.Background(), []string{dir}, Options{Workers: 3}, func(f Finding) {
		rel, _ := filepath.Rel(dir, f.Path)
		got = append(got, fmt.Sprintf("%s|%s|%v|%s", filepath.ToSlash(rel), f.Member, f.InName, f.Encoding))
	})
	if err != nil || len(result.Unread) != 0 || result.Files != 5 || int(result.Finds) != len(got) {
		t.Fatalf("%+v, %v", result, err)
	}
	all := "\n" + strings.Join(got, "\n") + "\n"
	for _, want := range []string{
		"a/b/plain.db||false|utf-8", "export.zip|!/x/contacts.json|false|json", "export.zip|!/CAROL@example.org.txt|true|utf-8",
		"log.gz|!gzip|false|base64", "deep.zip|!/in.zip!/in.gz!gzip|false|utf-8",
	} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("not found: %s in%s", want, all)
		}
	}
	if strings.Contains(all, "clean.txt") {
		t.Errorf("found in the clean file:%s", all)
	}
}

func TestPathsSaysWhatItCouldNotRead(t *testing.T) {
	dir := t.TempDir()
	whole := gzipped(t, strings.Repeat("some words ", 1000))
	write(t, dir, "cut.gz", whole[:len(whole)-20])
	write(t, dir, "not.zip", []byte("PK\x03\x04 and then nothing of the kind"))
	result, err := compile(t, "carol").Paths(context.Background(), []string{dir, filepath.Join(dir, "missing")}, Options{}, func(f Finding) {
		t.Errorf("found %v", f)
	})
	if err != nil || len(result.Unread) != 3 {
		t.Fatalf("%+v, %v", result, err)
	}
}

func TestPathsLimitsReports(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "many", []byte(strings.Repeat("carol ", 500)))
	reported := 0
	result, err := compile(t, "carol").Paths(context.Background(), []string{dir}, Options{PerFile: 10}, func(Finding) { reported++ })
	if err != nil || result.Finds != 500 || reported != 10 {
		t.Fatalf("%+v, %v, reported %d", result, err, reported)
	}
}

func TestPathsStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := compile(t, "carol").Paths(ctx, []string{t.TempDir()}, Options{}, func(Finding) {}); err == nil {
		t.Fatal("no error after cancelling")
	}
}
