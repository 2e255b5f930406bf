package boundary

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayRequire says which of our modules a module may require.
func mayRequire(folder, sibling string) bool {
	switch folder {
	case "gen":
		return false
	case "services/internal/platform":
		return sibling == "gen"
	case "services/lethe":
		return true
	}
	return sibling == "gen" || sibling == "services/internal/platform"
}

// judge returns what is wrong with a go.mod file.
func judge(m module, goVersion string) []string {
	var problems []string
	wrong := func(format string, args ...any) {
		problems = append(problems, m.folder+"/go.mod: "+fmt.Sprintf(format, args...))
	}
	if m.Module.Path != modulePath+m.folder {
		wrong("module %s does not fit its folder", m.Module.Path)
	}
	if m.Go != goVersion {
		wrong("go %s, the workspace has %s", m.Go, goVersion)
	}
	replaced := map[string]string{}
	for _, r := range m.Replace {
		sibling, ours := strings.CutPrefix(r.Old.Path, modulePath)
		if !ours || r.New.Version != "" || path.Join(m.folder, r.New.Path) != sibling {
			wrong("replaces %s with %s", r.Old.Path, r.New.Path)
		}
		replaced[sibling] = r.New.Path
	}
	for _, r := range m.Require {
		sibling, ours := strings.CutPrefix(r.Path, modulePath)
		switch {
		case ours && (r.Version != "v0.0.0" || replaced[sibling] == ""):
			wrong("requires %s %s, want v0.0.0 and a replace", sibling, r.Version)
		case ours && !mayRequire(m.folder, sibling):
			wrong("requires %s", sibling)
		case m.folder == "services/gateway" && within(r.Path, stores...):
			wrong("requires %s", r.Path)
		}
	}
	return problems
}

func TestModules(t *testing.T) {
	work := string(run(t, ".", "work", "edit", "-json", top+"/go.work"))
	all := modules(t)
	if len(all) < 7 {
		t.Fatalf("only %d modules were found", len(all))
	}
	goVersion := all[slices.IndexFunc(all, func(m module) bool { return m.folder == "services/lethe" })].Go
	for _, m := range all {
		// Heavy test servers and checks are modules outside the workspace, so that what they need never lifts ours.
		if !strings.Contains(work, `"./`+m.folder+`"`) {
			t.Logf("%s is outside the workspace", m.folder)
			continue
		}
		for _, problem := range judge(m, goVersion) {
			t.Error(problem)
		}
	}
}

// What a module imports of ours it requires itself: no import is held up by the workspace alone.
func TestModulesRequireWhatTheyImport(t *testing.T) {
	all := modules(t)
	for _, s := range sources(t, top) {
		m := owner(all, s.pkg)
		for _, imported := range s.imports {
			if missing := lacks(all, m, imported); missing != "" {
				t.Errorf("%s imports %s, which %s/go.mod does not require", s.file, imported, m.folder)
			}
		}
	}
	gateway := owner(all, "lethe/services/gateway")
	if lacks(all, gateway, "lethe/services/tickets") == "" {
		t.Error("an import nobody requires was not noticed")
	}
}

// owner returns the module a package lies in.
func owner(all []module, pkg string) module {
	var best module
	for _, m := range all {
		if within(pkg, "lethe/"+m.folder) && len(m.folder) > len(best.folder) {
			best = m
		}
	}
	return best
}

// lacks returns the module of ours that an import needs and m does not require.
func lacks(all []module, m module, imported string) string {
	needed := owner(all, imported).Module.Path
	if needed == "" || needed == m.Module.Path {
		return ""
	}
	for _, r := range m.Require {
		if r.Path == needed {
			return ""
		}
	}
	return needed
}

func TestModuleControls(t *testing.T) {
	sound := func() module {
		all := modules(t)
		return all[slices.IndexFunc(all, func(m module) bool { return m.folder == "services/gateway" })]
	}
	good := sound()
	if problems := judge(good, good.Go); len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, breakIt := range map[string]func(*module){
		"a driver":            func(m *module) { m.Require[0].Path = drivers[0] },
		"a version":           func(m *module) { m.Require[at(m, "gen")].Version = "v0.1.0" },
		"no replace":          func(m *module) { m.Replace = nil },
		"a replace elsewhere": func(m *module) { m.Replace[0].New.Path = "../../gone" },
		"a foreign replace":   func(m *module) { m.Replace[0].Old.Path = "google.golang.org/grpc" },
		"another service": func(m *module) {
			m.Require[at(m, "gen")].Path = modulePath + "services/tickets"
			m.Replace[0].Old.Path, m.Replace[0].New.Path = modulePath+"services/tickets", "../tickets"
		},
		"another Go":           func(m *module) { m.Go = "1.20" },
		"a path that is wrong": func(m *module) { m.Module.Path = modulePath + "services/door" },
	} {
		m := sound()
		breakIt(&m)
		if len(judge(m, good.Go)) == 0 {
			t.Errorf("%s was not noticed", name)
		}
	}
}

// at is where a module of ours stands in the requirements.
func at(m *module, sibling string) int {
	for i, r := range m.Require {
		if r.Path == modulePath+sibling {
			return i
		}
	}
	return 0
}
