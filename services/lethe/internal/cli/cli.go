// Package cli is the command line of lethe: the commands an operator types, what
// they print, and the codes they exit with.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lethe-desk/lethe/services/internal/platform/config"
	"github.com/lethe-desk/lethe/services/lethe/internal/progress"
	"github.com/lethe-desk/lethe/services/lethe/internal/restclient"
)

// Exit codes; they are part of --help.
const (
	// ExitDone: all that was asked is done.
	ExitDone = 0
	// ExitFailed: it failed, or a scan found a needle, or a check a fault, or some rows of an import are not in.
	ExitFailed = 1
	// ExitUsage: the command line is wrong, or a scan or a check could not read everything.
	ExitUsage = 2
	// ExitNotFound: there is no such person, saga or file.
	ExitNotFound = 3
	// ExitIncomplete: the saga ended without completing, or is parked.
	ExitIncomplete = 4
	// ExitUnreachable: lethe does not answer.
	ExitUnreachable = 5
	// ExitDenied: the API key was refused or may not do this.
	ExitDenied = 6
	// ExitInterrupted: stopped by a signal.
	ExitInterrupted = 130
)

const description = `Lethe is a help desk that can forget a person everywhere, and prove it.

Commands other than up, keys, fsck and scan speak REST to a running lethe with an agent's API key.

Exit codes:
  0    all that was asked is done
  1    it failed; or scan found a needle, or fsck a fault; or some rows of an import are not in
  2    the command line is wrong; or scan or fsck could not read everything
  3    there is no such person, saga or file
  4    the saga ended without completing, or is parked
  5    lethe does not answer
  6    the API key was refused, or its agent may not do this
  130  stopped by a signal`

// CLI is the tree of commands with its flags.
type CLI struct {
	config.Base

	URL     string `help:"Where lethe answers REST." default:"http://127.0.0.1:8080" placeholder:"URL"`
	Key     string `help:"An agent's API key. On a command line other users of the machine can see it: prefer the environment or --key-file." placeholder:"KEY"`
	KeyFile string `help:"File with the API key, such as DIR.admin-key of lethe up." placeholder:"FILE" type:"path"`
	JSON    bool   `help:"Print results as JSON on standard output, progress as JSON lines on standard error." env:"-"`

	Up      Up      `cmd:"" help:"Run all services in one process."`
	Import  Import  `cmd:"" help:"Load data from files."`
	Seed    Seed    `cmd:"" help:"Make a plausible, invented desk; the same for the same seed."`
	Export  Export  `cmd:"" help:"Export all that is held about a person."`
	Erase   Erase   `cmd:"" help:"Erase a person, or one ticket, everywhere and for good."`
	Request Request `cmd:"" help:"Write down, decide and look at what people ask for."`
	Saga    Saga    `cmd:"" help:"Look at and drive the runs that carry requests out."`
	Account Account `cmd:"" help:"Make further accounts."`
	Datamap DataMap `cmd:"" help:"Print what is held of people where, why, and what an erasure does to it."`
	Scan    Scan    `cmd:"" help:"Search raw files for strings in all common encodings."`
	Fsck    Fsck    `cmd:"" help:"Check the data folder of a stopped lethe; nothing is changed."`
	Keys    Keys    `cmd:"" help:"Look after the keys of a data folder."`
	Demo    Demo    `cmd:"" help:"Show on a small invented desk how a person is exported, hidden, restored and erased."`
}

// Env is what the commands use of the world around them.
type Env struct {
	// Stdout receives results, Stderr progress and errors.
	Stdout, Stderr io.Writer
	// Version names the build.
	Version string
	// Up runs the suite until the context ends and calls ready once it takes calls.
	Up func(ctx context.Context, up Up, ready func(Ready)) error
	// RotateKeys renews the master key of a data folder that no suite uses, and
	// tells each step.
	RotateKeys func(ctx context.Context, rotate Rotate, step func(string)) error
	// Fsck looks through a data folder that no suite uses. Errors are sentences.
	Fsck func(ctx context.Context, fsck Fsck, w FsckWatch) (FsckChecked, error)
	// Demo shows what lethe is for, on a desk of its own.
	Demo func(ctx context.Context, out io.Writer) error
}

// session is one run of a command.
type session struct {
	ctx      context.Context
	env      Env
	cli      *CLI
	progress *progress.Printer
	// paths stand behind -- on the command line of a scan.
	paths []string
}

// exitError carries an exit code; its text is a sentence for the operator, or
// empty when all has been said.
type exitError struct {
	code int
	text string
}

// Error is the sentence.
func (e *exitError) Error() string { return e.text }

func exit(code int, format string, args ...any) error {
	return &exitError{code: code, text: fmt.Sprintf(format, args...)}
}

// leave is thrown by --help and --version to end the run.
type leave int

// Main runs the command line args (without the program's name) and returns the
// exit code.
func Main(ctx context.Context, args []string, env Env) (code int) {
	defer func() {
		if thrown := recover(); thrown != nil {
			left, ok := thrown.(leave)
			if !ok {
				panic(thrown)
			}
			code = int(left)
		}
	}()
	var cli CLI
	args, paths := splitScan(args)
	chosen, err := config.Parse(&cli, config.Info{
		Name: "lethe", Description: description, Version: env.Version, Stdout: env.Stdout, Stderr: env.Stderr,
		Exit: func(code int) { panic(leave(code)) },
	}, args)
	if err != nil {
		fmt.Fprintf(env.Stderr, "lethe: %v\nlethe --help and lethe COMMAND --help list what can be said.\n", err)
		return ExitUsage
	}
	s := &session{ctx: ctx, env: env, cli: &cli, paths: paths, progress: progress.New(env.Stderr, mode(env.Stderr, cli.JSON))}
	err = chosen.Run(s)
	if err == nil {
		return ExitDone
	}
	code, text := s.explain(err)
	if text != "" {
		fmt.Fprintf(env.Stderr, "lethe: %s\n", text)
	}
	return code
}

func mode(w io.Writer, asJSON bool) progress.Mode {
	if f, ok := w.(*os.File); ok {
		return progress.Detect(f, asJSON)
	}
	if asJSON {
		return progress.JSON
	}
	return progress.Lines
}

// splitScan takes the paths of `scan NEEDLE... -- PATH...` off the command line,
// because only the two dashes tell them from needles.
func splitScan(args []string) (rest, paths []string) {
	at := slices.Index(args, "--")
	if at < 0 || !slices.Contains(args[:at], "scan") {
		return args, nil
	}
	return args[:at], args[at+1:]
}

// client returns a client with the key of flag, environment or file.
func (s *session) client() (*restclient.Client, error) {
	key := s.cli.Key
	if key == "" && s.cli.KeyFile != "" {
		raw, err := os.ReadFile(s.cli.KeyFile)
		if err != nil {
			return nil, exit(ExitNotFound, "the key file cannot be read: %v", err)
		}
		key = strings.TrimSpace(string(raw))
	}
	if key == "" {
		return nil, exit(ExitDenied, "no API key was given: set LETHE_KEY, or use --key-file; lethe up writes the first admin's key to DIR.admin-key")
	}
	client, err := restclient.New(s.cli.URL, key)
	if err != nil {
		return nil, exit(ExitUsage, "%v; give it with --url or LETHE_URL", err)
	}
	return client, nil
}

// explain turns an error into an exit code and a sentence that names the next step.
func (s *session) explain(err error) (int, string) {
	var known *exitError
	refusal := restclient.AsError(err)
	switch {
	case errors.As(err, &known):
		return known.code, known.text
	case errors.Is(err, context.Canceled):
		return ExitInterrupted, "stopped"
	case errors.Is(err, restclient.ErrUnreachable):
		return ExitUnreachable, fmt.Sprintf("nobody answers at %s: is lethe up running? Start it with lethe up --data DIR, or say where it is with --url or LETHE_URL", s.cli.URL)
	case errors.Is(err, os.ErrNotExist):
		return ExitNotFound, err.Error()
	case refusal == nil:
		return ExitFailed, err.Error()
	}
	switch refusal.Status {
	case 401:
		return ExitDenied, "the API key was refused: give that of an agent of this desk with LETHE_KEY or --key-file; lethe up writes the first admin's key to DIR.admin-key"
	case 403:
		return ExitDenied, fmt.Sprintf("the agent of this API key may not do this: %v", err)
	case 404:
		return ExitNotFound, fmt.Sprintf("there is no such thing, or not any more: %v", err)
	case 503:
		return ExitUnreachable, fmt.Sprintf("lethe is there and cannot answer now; try again in a while: %v", err)
	}
	return ExitFailed, err.Error()
}
