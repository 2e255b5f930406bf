// Command check looks at the files beside it: compose.yaml is loaded as
// strictly as compose does, every flag and variable it gives to our programs is
// one that their --help lists, the Dockerfile parses and builds
// what compose runs, and the collector's pipelines name what is defined.
// It is a module outside the workspace, so that what it needs never lifts ours.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"go.yaml.in/yaml/v3"
)

func main() {
	bin := flag.String("bin", "../../bin", "folder with the built programs")
	dir := flag.String("dir", "..", "folder with compose.yaml, Dockerfile and otel-collector.yaml")
	flag.Parse()
	problems := all(*dir, help(*bin))
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Println("the files of deploy fit the programs")
}

// helper returns what a program prints for --help.
type helper func(program string) (string, error)

func help(bin string) helper {
	return func(program string) (string, error) {
		out, err := exec.CommandContext(context.Background(), filepath.Join(bin, program), "--help").CombinedOutput()
		return string(out), err
	}
}

// programs are ours, as compose runs them.
var programs = []string{"contactsd", "ticketsd", "forumsd", "ratingsd", "privacyd", "gatewayd"}

// all returns everything that is wrong.
func all(dir string, h helper) []string {
	problems := compose(filepath.Join(dir, "compose.yaml"), h)
	problems = append(problems, dockerfile(filepath.Join(dir, "Dockerfile"))...)
	return append(problems, collector(filepath.Join(dir, "otel-collector.yaml"))...)
}

func compose(path string, h helper) []string {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithEnv([]string{"LETHE_ADMIN_KEY=a-key-for-the-check-only"}))
	if err != nil {
		return []string{err.Error()}
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	var problems, run []string
	for _, s := range project.Services {
		if len(s.Command) == 0 || !slices.Contains(programs, s.Command[0]) {
			continue
		}
		run = append(run, s.Command[0])
		text, err := h(s.Command[0])
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s --help: %v", s.Command[0], err))
			continue
		}
		problems = append(problems, settings(s, text)...)
	}
	for _, p := range programs {
		if !slices.Contains(run, p) {
			problems = append(problems, path+": nobody runs "+p)
		}
	}
	return problems
}

// passed are variables that compose gives to all alike, though some have no use for them.
var passed = regexp.MustCompile(`^LETHE_(CONTACTS|TICKETS|FORUMS|RATINGS|PRIVACY)_ADDR$`)

// settings returns flags and variables of a service that its program does not know.
func settings(s types.ServiceConfig, help string) []string {
	var problems []string
	for _, arg := range s.Command[1:] {
		name, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") && !knows(help, name) {
			problems = append(problems, fmt.Sprintf("compose.yaml: %s has no flag %s", s.Command[0], name))
		}
	}
	for name := range s.Environment {
		if strings.HasPrefix(name, "LETHE_") && !passed.MatchString(name) && !knows(help, "$"+name) {
			problems = append(problems, fmt.Sprintf("compose.yaml: %s does not look at %s", s.Command[0], name))
		}
	}
	return problems
}

// knows says whether a help text has a whole word, which is not the beginning of another.
func knows(help, word string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(word) + `($|[^A-Za-z0-9_-])`).MatchString(help)
}

// dockerfile parses with the builder's own parser, and looks that nothing is
// copied from a stage that is not there and that every program is built.
func dockerfile(path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	tree, err := parser.Parse(bytes.NewReader(raw))
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	stages, _, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	var problems, names, run []string
	for _, s := range stages {
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.CopyCommand:
				if c.From != "" && !slices.Contains(names, c.From) {
					problems = append(problems, fmt.Sprintf("%s: copies from %s, which is no stage", path, c.From))
				}
			case *instructions.RunCommand:
				run = append(run, c.CmdLine...)
			}
		}
		names = append(names, s.Name)
	}
	for _, p := range programs {
		if !regexp.MustCompile(`\b` + strings.TrimSuffix(p, "d") + `\b`).MatchString(strings.Join(run, " ")) {
			problems = append(problems, path+": does not build "+p)
		}
	}
	return problems
}

// pipelines is the part of a collector's settings that can be wrong by itself.
type pipelines struct {
	Receivers  map[string]any `yaml:"receivers"`
	Processors map[string]any `yaml:"processors"`
	Exporters  map[string]any `yaml:"exporters"`
	Extensions map[string]any `yaml:"extensions"`
	Connectors map[string]any `yaml:"connectors"`
	Service    struct {
		Extensions []string       `yaml:"extensions"`
		Telemetry  map[string]any `yaml:"telemetry"`
		Pipelines  map[string]struct {
			Receivers  []string `yaml:"receivers"`
			Processors []string `yaml:"processors"`
			Exporters  []string `yaml:"exporters"`
		} `yaml:"pipelines"`
	} `yaml:"service"`
}

func collector(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close()
	var c pipelines
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	var problems []string
	if len(c.Service.Pipelines) == 0 {
		problems = append(problems, path+": no pipelines")
	}
	for name, p := range c.Service.Pipelines {
		for _, part := range []struct {
			kind    string
			used    []string
			defined map[string]any
		}{{"receiver", p.Receivers, c.Receivers}, {"processor", p.Processors, c.Processors}, {"exporter", p.Exporters, c.Exporters}} {
			if len(part.used) == 0 && part.kind != "processor" {
				problems = append(problems, fmt.Sprintf("%s: pipeline %s has no %s", path, name, part.kind))
			}
			for _, u := range part.used {
				if _, ok := part.defined[u]; !ok {
					problems = append(problems, fmt.Sprintf("%s: pipeline %s uses %s %s, which is not defined", path, name, part.kind, u))
				}
			}
		}
	}
	return problems
}
