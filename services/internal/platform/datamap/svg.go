package datamap

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// action is what an erasure does, as it is drawn: white text on its colour is
// readable for everybody (contrast above 4.5).
type action struct{ name, colour, says string }

var actions = []action{
	{"delete_record", "#0b5d8a", "the record goes"},
	{"delete", "#1b6e45", "the value goes with its record"},
	{"blank", "#8a5200", "the value is removed, the record stays"},
	{"reown", "#6d4aa8", "the link goes to the former agent, or is emptied"},
	{"retain", "#a3231c", "stays, for the ground given"},
}

// Measures of the drawing, in units of its viewBox.
const (
	nameWidth  = 110
	cellWidth  = 118
	headHeight = 92
	rowHeight  = 64
	arcWidth   = 30
	lineHeight = 20
)

// drawing collects an SVG.
type drawing struct {
	w     *bufio.Writer
	names []string
	cats  []string
	pairs []pair
}

// pair is all that goes from one service to another.
type pair struct {
	source, target string
	categories     []string
}

// SVG draws services by categories, coloured by what an erasure does, and
// arrows for the flows. The picture needs no script and asks nobody for
// anything; its text is text, and everything drawn is also said in words. It
// returns the writer's error.
func (m Map) SVG(w io.Writer) error {
	d := &drawing{w: bufio.NewWriter(w), names: m.services(), cats: Categories(), pairs: m.pairs()}
	width := nameWidth + len(d.cats)*cellWidth + d.arcs()
	height := headHeight + len(d.names)*rowHeight + 2*lineHeight + (len(actions)+len(d.pairs)+2)*lineHeight
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="group" aria-labelledby="title desc" font-family="sans-serif" font-size="13">`, width, height)
	d.printf(`<title id="title">Data map of Lethe</title>`)
	d.printf(`<desc id="desc">%d personal fields in %d services by data category, and %d flows between services. Each number is coloured by what an erasure does to the fields.</desc>`, len(m.Rows), len(d.names), len(d.pairs))
	d.printf(`<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#333"/></marker></defs>`)
	d.printf(`<rect width="%d" height="%d" fill="#fff"/>`, width, height)
	d.printf(`<text x="10" y="30" font-size="20" font-weight="bold">Who holds what of people, and what an erasure does to it</text>`)
	for i, c := range d.cats {
		d.printf(`<text x="%d" y="%d" font-weight="bold">%s</text>`, nameWidth+i*cellWidth+6, headHeight-12, said(c))
	}
	for i, name := range d.names {
		d.service(m, i, name)
	}
	for i, p := range d.pairs {
		d.arrow(i, p)
	}
	d.words(headHeight + len(d.names)*rowHeight + 2*lineHeight)
	d.printf(`</svg>`)
	return d.w.Flush()
}

// printf writes a line. The writer keeps its error for Flush.
func (d *drawing) printf(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = html.EscapeString(s)
		}
	}
	_, _ = fmt.Fprintf(d.w, format+"\n", args...)
}

// said is a name of the contract in words.
func said(name string) string { return strings.ReplaceAll(name, "_", " ") }

// services are all names that hold or pass something on, in order.
func (m Map) services() []string {
	seen := map[string]bool{}
	for _, r := range m.Rows {
		seen[r.Service] = true
	}
	for _, f := range m.Flows {
		seen[f.Source], seen[f.Target] = true, true
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// pairs join the flows between the same two services.
func (m Map) pairs() []pair {
	var all []pair
	for _, f := range m.Flows {
		i := slices.IndexFunc(all, func(p pair) bool { return p.source == f.Source && p.target == f.Target })
		if i < 0 {
			i = len(all)
			all = append(all, pair{source: f.Source, target: f.Target})
		}
		for _, c := range f.Categories {
			if !slices.Contains(all[i].categories, c) {
				all[i].categories = append(all[i].categories, c)
			}
		}
	}
	for _, p := range all {
		order := Categories()
		slices.SortFunc(p.categories, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	}
	return all
}

// arcs is the room the arrows take beside the table.
func (d *drawing) arcs() int { return arcWidth*(len(d.names)+1) + 60 }

// service draws a line of the table.
func (d *drawing) service(m Map, place int, name string) {
	y := headHeight + place*rowHeight
	d.printf(`<rect x="0" y="%d" width="%d" height="%d" fill="%s"/>`, y, nameWidth+len(d.cats)*cellWidth, rowHeight, []string{"#f3f4f6", "#fff"}[place%2])
	d.printf(`<text x="10" y="%d" font-weight="bold">%s</text>`, y+rowHeight/2+5, name)
	for i, c := range d.cats {
		d.cell(m, name, c, nameWidth+i*cellWidth, y)
	}
}

// cell draws how many fields of a category a service holds, by action.
func (d *drawing) cell(m Map, service, category string, x, y int) {
	counts, resources := map[string]int{}, []string{}
	for _, r := range m.Rows {
		if r.Service == service && r.Category == category {
			counts[r.OnErase]++
			if !slices.Contains(resources, r.Resource) {
				resources = append(resources, r.Resource)
			}
		}
	}
	if len(counts) == 0 {
		return
	}
	d.printf(`<g><title>%s, %s: in %s</title>`, service, said(category), strings.Join(resources, ", "))
	place := 0
	for _, a := range actions {
		if counts[a.name] == 0 {
			continue
		}
		left, top := x+6+place%3*36, y+8+place/3*26
		d.printf(`<rect x="%d" y="%d" width="32" height="22" rx="4" fill="%s"/>`, left, top, a.colour)
		d.printf(`<text x="%d" y="%d" fill="#fff" text-anchor="middle">%d<title>%s</title></text>`, left+16, top+16, counts[a.name], a.says)
		place++
	}
	d.printf(`</g>`)
}

// arrow draws a flow: down in front, up behind, wider the further it goes.
func (d *drawing) arrow(i int, p pair) {
	from, to := slices.Index(d.names, p.source), slices.Index(d.names, p.target)
	x, bend := nameWidth+len(d.cats)*cellWidth+4, arcWidth*max(from-to, to-from)
	start, end := headHeight+from*rowHeight+rowHeight/2+8, headHeight+to*rowHeight+rowHeight/2-8
	if from > to {
		start, end, bend = start-16, end+16, bend+arcWidth/2
	}
	d.printf(`<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#333" stroke-width="1.2" stroke-opacity="0.7" marker-end="url(#tip)"><title>%d: %s hands %s to %s</title></path>`,
		x, start, x+bend*4/3+20, start, x+bend*4/3+20, end, x, end, i+1, p.source, sentence(p.categories), p.target)
}

func sentence(categories []string) string {
	words := make([]string, 0, len(categories))
	for _, c := range categories {
		words = append(words, said(c))
	}
	return strings.Join(words, ", ")
}

// words say below the table what the colours mean and what flows where.
func (d *drawing) words(y int) {
	for _, a := range actions {
		d.printf(`<rect x="10" y="%d" width="14" height="14" rx="3" fill="%s"/>`, y-12, a.colour)
		d.printf(`<text x="32" y="%d">%s: %s</text>`, y, said(a.name), a.says)
		y += lineHeight
	}
	y += lineHeight
	d.printf(`<text x="10" y="%d" font-weight="bold">Who hands what to whom</text>`, y)
	for _, p := range d.pairs {
		y += lineHeight
		d.printf(`<text x="10" y="%d">%s → %s: %s</text>`, y, p.source, p.target, sentence(p.categories))
	}
}
