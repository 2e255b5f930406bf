package boundary

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unexplained returns the direct requirements of modules that a text does not name in backquotes.
func unexplained(all []module, text string) []string {
	var missing []string
	for _, m := range all {
		for _, r := range m.Require {
			ours := strings.HasPrefix(r.Path, modulePath)
			if !ours && !r.Indirect && !strings.Contains(text, "`"+r.Path+"`") {
				missing = append(missing, m.folder+" requires "+r.Path)
			}
		}
	}
	return missing
}

// Whoever adds a dependency writes its reason down.
func TestDependenciesHaveReasons(t *testing.T) {
	text := read(t, "services/README.md")
	var inside []module
	for _, m := range modules(t) {
		if strings.Contains(read(t, "go.work"), "./"+m.folder+"\n") {
			inside = append(inside, m)
		}
	}
	for _, problem := range unexplained(inside, text) {
		t.Errorf("%s: services/README.md does not say why", problem)
	}
	// The control: without the reason for gRPC its requirement is noticed in every service.
	if found := unexplained(inside, strings.ReplaceAll(text, "`google.golang.org/grpc`", "")); len(found) < 5 {
		t.Errorf("only %v was noticed", found)
	}
}

// Packages of platform know only what stands above them in its README.
func TestPlatformOrder(t *testing.T) {
	var order []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(read(t, "services/internal/platform/README.md"), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			order = append(order, platform+"/"+strings.Trim(name, "`"))
		}
	}
	downwards := func(s source) string {
		at := slices.Index(order, s.pkg)
		for _, imported := range s.imports {
			if to := slices.Index(order, imported); !s.test && within(imported, platform) && imported != s.pkg && (to < 0 || to > at) {
				return s.file + " imports " + imported
			}
		}
		return ""
	}
	for _, s := range sources(t, top) {
		if !within(s.pkg, platform) {
			continue
		}
		if !slices.Contains(order, s.pkg) {
			t.Errorf("the README does not list %s", s.pkg)
		}
		if problem := downwards(s); problem != "" {
			t.Errorf("%s, which stands below it", problem)
		}
	}
	if downwards(file(platform+"/fault", platform+"/server")) == "" {
		t.Error("an import downwards was not noticed")
	}
}

// The tests the pages name are there.
func TestNamedTestsExist(t *testing.T) {
	var tests strings.Builder
	for _, s := range sources(t, top) {
		if s.test || strings.HasSuffix(s.pkg, "test") {
			tests.WriteString(read(t, s.file))
		}
	}
	gone := func(text string) []string {
		var missing []string
		for _, name := range regexp.MustCompile("`(Test[A-Z][A-Za-z]+)`").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(tests.String(), "func "+name[1]+"(") {
				missing = append(missing, name[1])
			}
		}
		return missing
	}
	for _, page := range []string{"services/README.md", "services/lethe/README.md", "services/internal/platform/README.md"} {
		if missing := gone(read(t, page)); len(missing) > 0 {
			t.Errorf("%s names tests that are not there: %v", page, missing)
		}
	}
	if len(gone("`TestOfNothingAtAll`")) == 0 {
		t.Error("a test that is not there was not missed")
	}
}

// read returns a file's text, by its path from the top.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(top + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
