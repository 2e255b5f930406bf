package ticketcsv

import (
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// columns of the layout; those marked must be there.
var columns = map[string]bool{
	"Ticket ID": true, "Customer Name": true, "Customer Email": true, "Ticket Subject": true, "Ticket Description": true,
	"Ticket Status": true, "Resolution": true, "Ticket Priority": true, "Ticket Channel": true,
	"Customer Age": false, "Customer Gender": false, "Product Purchased": false, "Date of Purchase": false, "Ticket Type": false,
	"First Response Time": false, "Time to Resolution": false, "Customer Satisfaction Rating": false,
}

// mandatory is the order in which missing columns are named.
var mandatory = []string{
	"Ticket ID", "Customer Name", "Customer Email", "Ticket Subject", "Ticket Description", "Ticket Status",
	"Resolution", "Ticket Priority", "Ticket Channel",
}

// limits of single values, those of the desk.
const (
	maxName    = 255
	maxSubject = 255
	maxText    = 1 << 20
	maxAge     = 150
)

// HeaderError says that the file does not have this layout.
type HeaderError struct {
	// Missing are the columns that are not there, Twice those that are there more than once.
	Missing, Twice []string
}

// Error names the columns.
func (e *HeaderError) Error() string {
	var parts []string
	if len(e.Missing) > 0 {
		parts = append(parts, "columns missing: "+strings.Join(e.Missing, ", "))
	}
	if len(e.Twice) > 0 {
		parts = append(parts, "columns there twice: "+strings.Join(e.Twice, ", "))
	}
	return "the first line is not the header of the customer-support layout; " + strings.Join(parts, "; ")
}

// RowError says why one row cannot be used.
type RowError struct {
	// Line is the line the row begins on.
	Line int
	// Reason names columns, never values.
	Reason string
}

// Error gives line and reason.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Reader reads rows. It is not for use by several goroutines.
type Reader struct {
	records *records
	// at is the index of each column.
	at      map[string]int
	width   int
	ignored []string
	seen    map[string]int
}

// NewReader reads the header. The error is a *HeaderError when columns are
// missing, or that of reading r.
func NewReader(r io.Reader) (*Reader, error) {
	rd := &Reader{records: newRecords(r), at: map[string]int{}, seen: map[string]int{}}
	fields, _, broken, err := rd.records.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	if broken != nil {
		return nil, fmt.Errorf("read the header: %w", broken)
	}
	rd.width = len(fields)
	bad := &HeaderError{}
	for i, name := range fields {
		name = strings.TrimSpace(name)
		if _, known := columns[name]; !known {
			rd.ignored = append(rd.ignored, name)
			continue
		}
		if _, twice := rd.at[name]; twice {
			bad.Twice = append(bad.Twice, name)
		}
		rd.at[name] = i
	}
	for _, name := range mandatory {
		if _, ok := rd.at[name]; !ok {
			bad.Missing = append(bad.Missing, name)
		}
	}
	if len(bad.Missing)+len(bad.Twice) > 0 {
		return nil, bad
	}
	return rd, nil
}

// Ignored returns the columns of the file that are not of the layout.
func (rd *Reader) Ignored() []string { return rd.ignored }

// Next returns the next row. A *RowError tells of a broken one, behind which
// reading goes on; any other error ends the file, io.EOF as usual.
func (rd *Reader) Next() (*Row, error) {
	fields, line, broken, err := rd.records.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("read line %d: %w", rd.records.line+1, err)
	case broken != nil:
		return nil, &RowError{Line: line, Reason: broken.Error()}
	case len(fields) != rd.width:
		return nil, &RowError{Line: line, Reason: fmt.Sprintf("the row has %d fields, the header %d", len(fields), rd.width)}
	}
	c := &checker{reader: rd, fields: fields}
	row := c.row(line)
	if len(c.reasons) > 0 {
		return nil, &RowError{Line: line, Reason: strings.Join(c.reasons, "; ")}
	}
	rd.seen[row.TicketID] = line
	return row, nil
}

// checker collects everything that is wrong with one row.
type checker struct {
	reader  *Reader
	fields  []string
	reasons []string
}

func (c *checker) row(line int) *Row {
	return &Row{
		Line: line, TicketID: c.ticketID(),
		Name: c.text("Customer Name", maxName, true), Email: c.email("Customer Email"), Age: c.age("Customer Age"),
		Gender: c.text("Customer Gender", maxName, false), Product: c.text("Product Purchased", maxName, false),
		Type: c.text("Ticket Type", maxName, false), Purchased: c.time("Date of Purchase", dateLayout),
		Subject: c.text("Ticket Subject", maxSubject, true), Description: c.prose("Ticket Description", true),
		Status: c.word("Ticket Status", statuses), Resolution: c.prose("Resolution", false),
		Priority: c.word("Ticket Priority", priorities), Source: c.word("Ticket Channel", channels),
		FirstResponse: c.time("First Response Time", timeLayout), TimeToResolution: c.time("Time to Resolution", timeLayout),
		Rating: c.rating("Customer Satisfaction Rating"),
	}
}

func (c *checker) bad(column, reason string) { c.reasons = append(c.reasons, column+": "+reason) }

// value returns a field without the blanks around it; empty when there is no such column.
func (c *checker) value(column string) string {
	i, ok := c.reader.at[column]
	if !ok {
		return ""
	}
	return strings.TrimSpace(c.fields[i])
}

func (c *checker) text(column string, limit int, mandatory bool) string {
	v := c.value(column)
	switch {
	case mandatory && v == "":
		c.bad(column, "is empty")
	case !utf8.ValidString(v):
		c.bad(column, "is not valid UTF-8")
	case strings.ContainsRune(v, 0):
		c.bad(column, "holds a zero byte")
	case utf8.RuneCountInString(v) > limit:
		c.bad(column, fmt.Sprintf("is longer than %d characters", limit))
	}
	return v
}

// prose checks like text and returns the field with its blanks; only blanks are nothing.
func (c *checker) prose(column string, mandatory bool) string {
	if c.text(column, maxText, mandatory) == "" {
		return ""
	}
	return c.fields[c.reader.at[column]]
}

func (c *checker) ticketID() string {
	const column = "Ticket ID"
	v := c.value(column)
	switch {
	case v == "":
		c.bad(column, "is empty")
	case len(v) > 64 || strings.Trim(v, "0123456789") != "":
		c.bad(column, "is not a number")
	default:
		if line, twice := c.reader.seen[v]; twice {
			c.bad(column, fmt.Sprintf("is that of line %d", line))
		}
	}
	return v
}

func (c *checker) email(column string) string {
	v := strings.ToLower(c.text(column, 254, true))
	if v == "" {
		return v
	}
	parsed, err := mail.ParseAddress(v)
	if err != nil || parsed.Address != v || strings.ContainsAny(v, " \t\r\n<>\"") {
		c.bad(column, "is not an e-mail address")
	}
	return v
}

func (c *checker) word(column string, codes map[string]int) int {
	code, ok := codes[strings.ToLower(c.value(column))]
	if !ok {
		c.bad(column, "is none of the known words")
	}
	return code
}

func (c *checker) age(column string) *int {
	v := c.value(column)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n != float64(int(n)) || n < 0 || n > maxAge {
		c.bad(column, "is not an age in years")
		return nil
	}
	age := int(n)
	return &age
}

func (c *checker) rating(column string) *int {
	v := c.value(column)
	if v == "" {
		return nil
	}
	n, err := strconv.ParseFloat(v, 64)
	code, ok := ratings[n]
	if err != nil || !ok {
		c.bad(column, "is not a number from 1 to 5")
		return nil
	}
	return &code
}

func (c *checker) time(column, layout string) string {
	v := c.value(column)
	if v == "" {
		return ""
	}
	if _, err := time.Parse(layout, v); err != nil {
		c.bad(column, "is not of the form "+layout)
	}
	return v
}
