package datamap

import (
	"encoding/csv"
	"io"
	"strings"
)

// RowsCSV writes the rows as CSV with a line of names, as RFC 4180 has it. It
// returns the writer's error.
func (m Map) RowsCSV(w io.Writer) error {
	lines := [][]string{{"service", "resource", "field", "category", "role", "owner", "on_erase", "ground", "purpose"}}
	for _, r := range m.Rows {
		lines = append(lines, []string{r.Service, r.Resource, r.Field, r.Category, r.Role, r.Owner, r.OnErase, r.Ground, r.Purpose})
	}
	return write(w, lines)
}

// FlowsCSV writes the flows likewise, categories with a space between them.
func (m Map) FlowsCSV(w io.Writer) error {
	lines := [][]string{{"source", "target", "service", "categories"}}
	for _, f := range m.Flows {
		lines = append(lines, []string{f.Source, f.Target, f.Service, strings.Join(f.Categories, " ")})
	}
	return write(w, lines)
}

func write(w io.Writer, lines [][]string) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c.WriteAll(lines)
}
