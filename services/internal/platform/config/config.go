// Package config reads a program's settings: flags before environment
// (LETHE_…) before a file before defaults. Settings are a struct with kong's
// tags; everything is checked before the program does anything, and --help
// explains each setting with its default.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Prefix begins the names of all environment variables.
const Prefix = "LETHE"

// fileEnv names the settings file when the flag does not.
const fileEnv = Prefix + "_CONFIG"

// Base is embedded in every program's settings.
type Base struct {
	Config  string           `help:"File with settings, YAML or JSON; its keys are the names of the flags." placeholder:"FILE" type:"path"`
	Version kong.VersionFlag `help:"Print the version and exit." env:"-"`
}

// Info names the program for its help.
type Info struct {
	// Name, Description and Version are shown to people.
	Name, Description, Version string
	// Stdout and Stderr are where help and errors go; nil are the process's own.
	Stdout, Stderr io.Writer
	// Exit ends the program after --help and --version; nil is os.Exit.
	Exit func(code int)
	// Vars are further values for ${name} in the tags of settings.
	Vars map[string]string
	// Bind are values that commands' Run methods ask for.
	Bind []any
}

// Parse fills the settings from args (without the program's name), environment,
// file and defaults, in that order of rank. The error names the setting and
// what is wrong; unknown keys of a file are errors too. The result says which command was chosen and runs it.
func Parse(settings any, info Info, args []string) (*kong.Context, error) {
	options := []kong.Option{
		kong.Name(info.Name), kong.Description(info.Description), kong.Vars{"version": info.Version}.CloneWith(info.Vars),
		kong.DefaultEnvars(Prefix), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ValueFormatter(explain),
	}
	if info.Stdout != nil || info.Stderr != nil {
		options = append(options, kong.Writers(or(info.Stdout, os.Stdout), or(info.Stderr, os.Stderr)))
	}
	if info.Exit != nil {
		options = append(options, kong.Exit(info.Exit))
	}
	if len(info.Bind) > 0 {
		options = append(options, kong.Bind(info.Bind...))
	}
	if path := fileOf(args); path != "" {
		f, err := readFile(path)
		if err != nil {
			return nil, err
		}
		options = append(options, kong.Resolvers(f))
	}
	parser, err := kong.New(settings, options...)
	if err != nil {
		return nil, fmt.Errorf("describe settings: %w", err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return ctx, nil
}

func or(w, fallback io.Writer) io.Writer {
	if w != nil {
		return w
	}
	return fallback
}

// fileOf finds the settings file before anything is parsed, for its content is part of the parsing.
func fileOf(args []string) string {
	for i, a := range args {
		switch {
		case a == "--":
			return os.Getenv(fileEnv)
		case strings.HasPrefix(a, "--config="):
			return strings.TrimPrefix(a, "--config=")
		case a == "--config" && i+1 < len(args):
			return args[i+1]
		}
	}
	return os.Getenv(fileEnv)
}

// explain adds default and environment variable to a setting's help.
func explain(v *kong.Value) string {
	help := strings.TrimSuffix(v.Help, ".")
	var more []string
	if v.HasDefault && v.Default != "" {
		more = append(more, "default "+v.Default)
	}
	if len(v.Tag.Envs) > 0 {
		more = append(more, "$"+strings.Join(v.Tag.Envs, ", $"))
	}
	if len(more) == 0 {
		return v.Help
	}
	return help + " (" + strings.Join(more, "; ") + ")."
}

// errKey is the error of a settings file with a key that is no flag.
var errKey = errors.New("unknown setting")
