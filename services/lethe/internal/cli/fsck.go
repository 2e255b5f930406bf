package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lethe-desk/lethe/services/lethe/internal/progress"
)

// Fsck checks a data folder.
type Fsck struct {
	Dir       string `arg:"" help:"Data folder; lethe must not run on it." type:"existingdir"`
	MasterKey string `help:"File with the master key; in the data folder when not given." placeholder:"FILE" type:"path"`
	PerFlaw   int    `help:"Findings of one kind to print for a service; all are counted. 0 for no limit." default:"20" placeholder:"N" env:"-"`
}

// Help is the long help.
func (Fsck) Help() string {
	return `Looks through every database, key, document and blob of a suite that is stopped, and at whether they agree: every living person's key is there and every destroyed one is not, every document opens under its owner's key, indexes and claims hold what documents say, no number comes twice, every blob is there, every saga can go on. It changes nothing, and names places, never values.

Warnings are of what the next start or an operation under way takes away, or what waits for a person. Exits 0 when there is nothing worse, 1 otherwise, 2 when something could not be looked at.`
}

// FsckFinding is something a check has found.
type FsckFinding struct {
	Service string `json:"service"`
	// Flaw is what is wrong, Says what that means and what to do.
	Flaw    string `json:"flaw"`
	Warning bool   `json:"warning"`
	// Collection, Account, ID and Slot are where, as far as there is a where.
	Collection string `json:"collection,omitempty"`
	Account    int64  `json:"account,omitempty"`
	ID         int64  `json:"id,omitempty"`
	Slot       *int64 `json:"slot,omitempty"`
	Detail     string `json:"detail,omitempty"`
	Says       string `json:"says"`
}

// FsckUnchecked is a service that could not be looked at.
type FsckUnchecked struct {
	Service string `json:"service"`
	Reason  string `json:"reason"`
}

// FsckWatch is told what a check sees.
type FsckWatch struct {
	Found    func(FsckFinding)
	Progress func(service, part string, done, total int64)
}

// FsckChecked is which services were looked at, and which could not be.
type FsckChecked struct {
	Services  []string
	Unchecked []FsckUnchecked
}

// fsckResult is the JSON result.
type fsckResult struct {
	Services  []string        `json:"services"`
	Unchecked []FsckUnchecked `json:"unchecked"`
	Findings  []FsckFinding   `json:"findings"`
	Faults    int64           `json:"faults"`
	Warnings  int64           `json:"warnings"`
	// seen counts findings by service and flaw.
	seen map[[2]string]int64
}

// Run checks the folder and exits 1 on a finding that is no warning.
func (c Fsck) Run(s *session) error {
	r := fsckResult{Findings: []FsckFinding{}, Unchecked: []FsckUnchecked{}, Services: []string{}, seen: map[[2]string]int64{}}
	shown := parts{s: s}
	checked, err := s.env.Fsck(s.ctx, c, FsckWatch{
		Found: func(f FsckFinding) { r.add(f, int64(c.PerFlaw)) }, Progress: shown.progress,
	})
	shown.end()
	if s.ctx.Err() != nil {
		return context.Canceled
	}
	if err != nil {
		return exit(ExitUsage, "%v", err)
	}
	r.Services, r.Unchecked = append(r.Services, checked.Services...), append(r.Unchecked, checked.Unchecked...)
	if err := c.report(s, r); err != nil {
		return err
	}
	switch {
	case r.Faults > 0:
		return exit(ExitFailed, "")
	case len(r.Unchecked) > 0:
		return exit(ExitUsage, "not everything could be looked at, so nothing is proven")
	}
	return nil
}

// add counts a finding and keeps the first of its kind.
func (r *fsckResult) add(f FsckFinding, limit int64) {
	if f.Warning {
		r.Warnings++
	} else {
		r.Faults++
	}
	kind := [2]string{f.Service, f.Flaw}
	if r.seen[kind]++; limit <= 0 || r.seen[kind] <= limit {
		r.Findings = append(r.Findings, f)
	}
}

func (c Fsck) report(s *session, r fsckResult) error {
	if s.cli.JSON {
		return s.print(r)
	}
	out := s.env.Stdout
	for _, f := range r.Findings {
		kind := "fault"
		if f.Warning {
			kind = "warning"
		}
		fmt.Fprintf(out, "%s: %s %s%s: %s\n", f.Service, kind, f.Flaw, f.where(), f.Says)
	}
	for _, kind := range slices.SortedFunc(maps.Keys(r.seen), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if more := r.seen[kind] - int64(c.PerFlaw); c.PerFlaw > 0 && more > 0 {
			fmt.Fprintf(out, "%s: and %d more %s; --per-flaw 0 prints all\n", kind[0], more, kind[1])
		}
	}
	for _, u := range r.Unchecked {
		fmt.Fprintf(out, "%s: not checked: %s\n", u.Service, u.Reason)
	}
	fmt.Fprintf(out, "%d faults and %d warnings in %d services; %d not checked\n", r.Faults, r.Warnings, len(r.Services), len(r.Unchecked))
	return nil
}

// where names the place of a finding.
func (f FsckFinding) where() string {
	text := ""
	if f.Collection != "" {
		text += " in " + f.Collection
	}
	if f.Account != 0 || f.ID != 0 {
		text += fmt.Sprintf(" account %d", f.Account)
	}
	if f.ID != 0 {
		text += fmt.Sprintf(" id %d", f.ID)
	}
	if f.Slot != nil {
		text += fmt.Sprintf(" slot %d", *f.Slot)
	}
	if f.Detail != "" {
		text += " (" + f.Detail + ")"
	}
	return text
}

// parts shows one part of the check after another.
type parts struct {
	s    *session
	name string
	task *progress.Task
}

func (p *parts) progress(service, part string, done, total int64) {
	if name := service + " " + part; name != p.name {
		p.end()
		p.name, p.task = name, p.s.progress.Task(name, total)
	}
	p.task.Set(done, total)
}

func (p *parts) end() {
	if p.task != nil {
		p.task.End()
	}
	p.task, p.name = nil, ""
}
