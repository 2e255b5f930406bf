package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/lethe-desk/lethe/services/lethe/internal/scan"
)

// Scan searches raw files.
type Scan struct {
	Needle      []string `arg:"" optional:"" help:"Strings to look for; then two dashes and the files and folders to search."`
	NeedlesFile string   `help:"File with further needles, one a line; they are numbered behind those of the command line, by line." placeholder:"FILE" type:"path" env:"-"`
	Show        bool     `help:"Print the needles and the names that hold them; otherwise only their numbers." env:"-"`
	PerFile     int      `help:"Finds of one file to print; all are counted. 0 for no limit." default:"100" placeholder:"N" env:"-"`
	Workers     int      `help:"Files read at a time; as many as processors when 0." default:"0" placeholder:"N" env:"-"`
}

// Help is the long help.
func (Scan) Help() string {
	return `lethe scan NEEDLE... -- PATH...
lethe scan --needles-file FILE -- PATH...

Looks in every file and in gzip and ZIP members for each needle in any case, as UTF-8, UTF-16, Latin-1, base64 at all offsets, hexadecimal, percent, form, quoted-printable and mail header encoding, JSON and source escapes, HTML entities, and two of these around each other. Exits 1 on a find, 2 when something could not be read.`
}

// scanFind is an element of the JSON result.
type scanFind struct {
	File     string `json:"file"`
	Member   string `json:"member,omitempty"`
	InName   bool   `json:"in_name,omitempty"`
	Offset   int64  `json:"offset"`
	Needle   int    `json:"needle"`
	Encoding string `json:"encoding"`
	Text     string `json:"text,omitempty"`
}

// scanUnread is what could not be read.
type scanUnread struct {
	File   string `json:"file"`
	Member string `json:"member,omitempty"`
	Reason string `json:"reason"`
}

// scanResult is the JSON result.
type scanResult struct {
	Files    int64        `json:"files"`
	Bytes    int64        `json:"bytes"`
	Needles  int          `json:"needles"`
	Finds    int64        `json:"finds"`
	Findings []scanFind   `json:"findings"`
	Unread   []scanUnread `json:"unread"`
}

// Run searches and exits 1 on a find.
func (c Scan) Run(s *session) error {
	needles, err := c.needles()
	if err != nil {
		return err
	}
	if len(s.paths) == 0 {
		return exit(ExitUsage, "no files to search: name them behind two dashes, lethe scan NEEDLE... -- PATH...")
	}
	set, err := scan.Compile(needles)
	if err != nil {
		return exit(ExitUsage, "%v", err)
	}
	result := scanResult{Findings: []scanFind{}, Unread: []scanUnread{}}
	for _, n := range needles {
		if n != "" {
			result.Needles++
		}
	}
	searched, err := set.Paths(s.ctx, s.paths, scan.Options{Workers: c.Workers, PerFile: c.PerFile}, func(f scan.Finding) {
		result.Findings = append(result.Findings, c.find(f, needles))
	})
	if err != nil {
		return err
	}
	result.Files, result.Bytes, result.Finds = searched.Files, searched.Bytes, searched.Finds
	for _, u := range searched.Unread {
		result.Unread = append(result.Unread, scanUnread{File: u.Path, Member: u.Member, Reason: u.Reason})
	}
	sortFindings(result.Findings)
	if err := c.report(s, result); err != nil {
		return err
	}
	switch {
	case result.Finds > 0:
		return exit(ExitFailed, "")
	case len(result.Unread) > 0:
		return exit(ExitUsage, "not everything could be read, so nothing is proven")
	}
	return nil
}

func (c Scan) needles() ([]string, error) {
	needles := append([]string{}, c.Needle...)
	if c.NeedlesFile == "" {
		return needles, nil
	}
	raw, err := os.ReadFile(c.NeedlesFile)
	if err != nil {
		return nil, exit(ExitUsage, "the file of needles cannot be read: %v", err)
	}
	for line := range strings.Lines(strings.TrimPrefix(string(raw), "\ufeff")) {
		needles = append(needles, strings.TrimRight(line, "\r\n"))
	}
	return needles, nil
}

// find leaves the needle and a name that holds it out unless they are to be shown.
func (c Scan) find(f scan.Finding, needles []string) scanFind {
	out := scanFind{File: f.Path, Member: f.Member, InName: f.InName, Offset: f.Offset, Needle: f.Needle, Encoding: f.Encoding}
	if c.Show {
		out.Text = needles[f.Needle-1]
		return out
	}
	if f.InName && f.Member != "" {
		out.Member = filepath.Dir(f.Member) + "/(its name)"
	} else if f.InName {
		out.File = filepath.Join(filepath.Dir(f.Path), "(its name)")
	}
	return out
}

func sortFindings(all []scanFind) {
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Member != b.Member:
			return a.Member < b.Member
		case a.Offset != b.Offset:
			return a.Offset < b.Offset
		}
		return a.Needle < b.Needle
	})
}

func (c Scan) report(s *session, r scanResult) error {
	if s.cli.JSON {
		return s.print(r)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(s.env.Stdout, "%s%s:%d: needle %d (%s)", f.File, f.Member, f.Offset, f.Needle, f.Encoding)
		if f.Text != "" {
			fmt.Fprintf(s.env.Stdout, " %q", f.Text)
		}
		fmt.Fprintln(s.env.Stdout)
	}
	if more := r.Finds - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(s.env.Stdout, "and %d finds more in the same files; --per-file 0 prints all\n", more)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(s.env.Stdout, "%s%s: not read: %s\n", u.File, u.Member, u.Reason)
	}
	fmt.Fprintf(s.env.Stdout, "%d finds of %d needles in %d files (%d bytes); %d not read\n", r.Finds, r.Needles, r.Files, r.Bytes, len(r.Unread))
	return nil
}
