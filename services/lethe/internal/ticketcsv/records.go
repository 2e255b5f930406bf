package ticketcsv

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// limits of one record; a quote that nobody closes must not swallow the file.
const (
	maxRecordLines = 2000
	maxRecordBytes = 4 << 20
)

var (
	errQuotes = errors.New("the quotes of the row do not match")
	errLong   = errors.New("the row is longer than 4 MiB or 2000 lines, or a quote in it is never closed")
)

// records splits a file into CSV records and survives broken ones.
type records struct {
	r    *bufio.Reader
	line int
	// ahead holds lines that were read and given back.
	ahead [][]byte
	err   error
}

func newRecords(r io.Reader) *records {
	br := bufio.NewReaderSize(r, 1<<16)
	if mark, err := br.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = br.Discard(3)
	}
	return &records{r: br}
}

// next returns the fields of a record and the line it begins on. broken says
// what is wrong with it; err is io.EOF or a failure of reading the file.
func (rs *records) next() (fields []string, line int, broken, err error) {
	var lines [][]byte
	size, quotes := 0, 0
	for {
		text, ok := rs.take()
		if !ok {
			break
		}
		if len(lines) == 0 && len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if len(lines) == 0 {
			line = rs.line
		}
		lines = append(lines, text)
		size += len(text)
		quotes += bytes.Count(text, []byte{'"'})
		if quotes%2 == 0 {
			break
		}
		if len(lines) >= maxRecordLines || size > maxRecordBytes {
			rs.giveBack(lines)
			return nil, line, errLong, nil
		}
	}
	if rs.err != nil && !errors.Is(rs.err, io.EOF) {
		return nil, line, nil, rs.err
	}
	if len(lines) == 0 {
		return nil, 0, nil, io.EOF
	}
	fields, parseErr := csv.NewReader(bytes.NewReader(bytes.Join(lines, nil))).Read()
	if parseErr != nil {
		rs.giveBack(lines)
		return nil, line, errQuotes, nil
	}
	return fields, line, nil, nil
}

// take returns the next line with its end.
func (rs *records) take() ([]byte, bool) {
	if len(rs.ahead) > 0 {
		text := rs.ahead[0]
		rs.ahead = rs.ahead[1:]
		rs.line++
		return text, true
	}
	if rs.err != nil {
		return nil, false
	}
	text, err := rs.r.ReadBytes('\n')
	rs.err = err
	if len(text) == 0 {
		return nil, false
	}
	rs.line++
	return text, true
}

// giveBack drops the first line of a broken record and those behind it that do
// not look like the beginning of a row, and leaves the rest to be read again.
func (rs *records) giveBack(lines [][]byte) {
	rest := lines[1:]
	for len(rest) > 0 && !beginsRow(rest[0]) {
		rest = rest[1:]
	}
	rs.line -= len(rest)
	rs.ahead = append(append([][]byte{}, rest...), rs.ahead...)
}

// beginsRow says whether a line starts with a number and a comma, as the ticket
// id does which comes first.
func beginsRow(line []byte) bool {
	id, _, found := strings.Cut(string(line[:min(len(line), 64)]), ",")
	id = strings.Trim(id, `"`)
	return found && id != "" && strings.Trim(id, "0123456789") == ""
}
