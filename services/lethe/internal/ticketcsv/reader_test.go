package ticketcsv

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const header = "Ticket ID,Customer Name,Customer Email,Customer Age,Customer Gender,Product Purchased,Date of Purchase,Ticket Type," +
	"Ticket Subject,Ticket Description,Ticket Status,Resolution,Ticket Priority,Ticket Channel,First Response Time,Time to Resolution," +
	"Customer Satisfaction Rating\n"

// line returns a good row with some columns replaced.
func line(id int, change map[string]string) string {
	row := map[string]string{
		"Ticket ID": fmt.Sprint(id), "Customer Name": "Ada Dorn", "Customer Email": "Ada.Dorn@Example.com", "Customer Age": "41",
		"Customer Gender": "Female", "Product Purchased": "Lamp & Shade", "Date of Purchase": "2021-03-22", "Ticket Type": "Refund request",
		"Ticket Subject": "Lamp is dark", "Ticket Description": "It went out.\n\n\"Pop\", & then nothing.", "Ticket Status": "Closed",
		"Resolution": "Sent a new one.", "Ticket Priority": "Critical", "Ticket Channel": "Phone", "First Response Time": "2023-06-01 12:15:36",
		"Time to Resolution": "2023-06-01 18:05:38", "Customer Satisfaction Rating": "3.0",
	}
	for column, value := range change {
		row[column] = value
	}
	var fields []string
	for _, column := range strings.Split(strings.TrimSpace(header), ",") {
		fields = append(fields, row[column])
	}
	var out strings.Builder
	w := csv.NewWriter(&out)
	_ = w.Write(fields)
	w.Flush()
	return out.String()
}

// read returns the ids of good rows and the line and reason of broken ones.
func read(t *testing.T, r io.Reader) (ids, broken []string) {
	t.Helper()
	rd, err := NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, err := rd.Next()
		var bad *RowError
		switch {
		case errors.Is(err, io.EOF):
			return ids, broken
		case errors.As(err, &bad):
			broken = append(broken, bad.Error())
		case err != nil:
			t.Fatal(err)
		default:
			ids = append(ids, row.TicketID)
		}
	}
}

func TestRow(t *testing.T) {
	rd, err := NewReader(strings.NewReader("\xef\xbb\xbf" + strings.ReplaceAll(header+line(7, nil), "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	row, err := rd.Next()
	if err != nil {
		t.Fatal(err)
	}
	if *row.Age != 41 || *row.Rating != 100 {
		t.Errorf("age %d, rating %d", *row.Age, *row.Rating)
	}
	row.Age, row.Rating = nil, nil
	want := Row{
		Line: 2, TicketID: "7", Name: "Ada Dorn", Email: "ada.dorn@example.com", Gender: "Female", Product: "Lamp & Shade", Type: "Refund request",
		Purchased: "2021-03-22", Subject: "Lamp is dark", Description: "It went out.\n\n\"Pop\", & then nothing.", Status: 5,
		Resolution: "Sent a new one.", Priority: 4, Source: 3, FirstResponse: "2023-06-01 12:15:36", TimeToResolution: "2023-06-01 18:05:38",
	}
	if *row != want {
		t.Errorf("row %+v\nwant %+v", *row, want)
	}
}

func TestCodes(t *testing.T) {
	type codes struct{ status, priority, source, rating int }
	for name, test := range map[string]struct {
		change map[string]string
		want   codes
	}{
		"open low e-mail":     {map[string]string{"Ticket Status": "Open", "Ticket Priority": "Low", "Ticket Channel": "Email", "Customer Satisfaction Rating": ""}, codes{2, 1, 1, 0}},
		"pending medium chat": {map[string]string{"Ticket Status": "Pending Customer Response", "Ticket Priority": "Medium", "Ticket Channel": "Chat", "Customer Satisfaction Rating": "1"}, codes{3, 2, 7, -103}},
		"closed high social":  {map[string]string{"Ticket Priority": "High", "Ticket Channel": "Social media", "Customer Satisfaction Rating": "2.0"}, codes{5, 3, 2, -102}},
		"four":                {map[string]string{"Customer Satisfaction Rating": "4.0"}, codes{5, 4, 3, 102}},
		"five":                {map[string]string{"Customer Satisfaction Rating": "5"}, codes{5, 4, 3, 103}},
	} {
		rd, err := NewReader(strings.NewReader(header + line(1, test.change)))
		if err != nil {
			t.Fatal(err)
		}
		row, err := rd.Next()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := codes{row.Status, row.Priority, row.Source, 0}
		if row.Rating != nil {
			got.rating = *row.Rating
		}
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestBrokenValues(t *testing.T) {
	for column, value := range map[string]string{
		"Ticket ID": "12x", "Customer Name": " ", "Customer Email": "ada at example.com", "Customer Age": "old", "Date of Purchase": "22.3.2021",
		"Ticket Subject": strings.Repeat("a", 256), "Ticket Description": "", "Ticket Status": "Lost", "Resolution": "bad \xff byte",
		"Ticket Priority": "Highest", "Ticket Channel": "Fax", "First Response Time": "noon", "Time to Resolution": "later",
		"Customer Satisfaction Rating": "6",
	} {
		ids, broken := read(t, strings.NewReader(header+line(1, nil)+line(2, map[string]string{column: value})+line(3, nil)))
		if !slices.Equal(ids, []string{"1", "3"}) || len(broken) != 1 {
			t.Errorf("%s: rows %v, broken %v", column, ids, broken)
			continue
		}
		if !strings.HasPrefix(broken[0], "line 5: "+column+": ") {
			t.Errorf("%s: %s", column, broken[0])
		}
		if v := strings.TrimSpace(value); v != "" && strings.Contains(broken[0], v) {
			t.Errorf("%s: the reason shows the value", column)
		}
	}
}

func TestEveryReasonOfARowIsTold(t *testing.T) {
	_, broken := read(t, strings.NewReader(header+line(1, map[string]string{"Customer Email": "x", "Ticket Status": "y"})))
	if len(broken) != 1 || broken[0] != "line 2: Customer Email: is not an e-mail address; Ticket Status: is none of the known words" {
		t.Fatal(broken)
	}
}

func TestBrokenRowsDoNotTakeOthersAlong(t *testing.T) {
	open := `4,"Ada Dorn,ada@example.com,41,Female` + "\n"
	stray := `5,Ada "the" Dorn,ada@example.com` + "\n"
	for name, test := range map[string]struct {
		file   string
		ids    string
		broken []string
	}{
		"too few fields":       {header + line(1, nil) + "2,only,three\n" + line(3, nil), "[1 3]", []string{"line 5: the row has 3 fields, the header 17"}},
		"quote in the middle":  {header + line(1, nil) + stray + line(3, nil), "[1 3]", []string{"line 5: " + errQuotes.Error()}},
		"quote never closed":   {header + line(1, nil) + open + line(3, nil) + line(6, nil), "[1 3 6]", []string{"line 5: " + errQuotes.Error()}},
		"never closed, at end": {header + line(1, nil) + open, "[1]", []string{"line 5: " + errQuotes.Error()}},
		"same id again":        {header + line(1, nil) + line(1, nil) + line(2, nil), "[1 2]", []string{"line 5: Ticket ID: is that of line 2"}},
		"blank lines":          {header + "\n" + line(1, nil) + "\n \n" + line(2, nil) + "\n", "[1 2]", nil},
		"no end of line":       {header + strings.TrimSuffix(line(1, nil), "\n"), "[1]", nil},
		"nothing but a header": {header, "[]", nil},
	} {
		ids, broken := read(t, strings.NewReader(test.file))
		if fmt.Sprint(ids) != test.ids || !slices.Equal(broken, test.broken) {
			t.Errorf("%s: rows %v, broken %q", name, ids, broken)
		}
	}
}

func TestOpenQuoteInALongFileEnds(t *testing.T) {
	var file strings.Builder
	file.WriteString(header + `1,"never closed` + "\n")
	for i := range maxRecordLines {
		fmt.Fprintf(&file, "%d,no quotes and too few fields\n", i+10)
	}
	file.WriteString(line(2, nil))
	ids, broken := read(t, strings.NewReader(file.String()))
	if !slices.Equal(ids, []string{"2"}) || len(broken) != maxRecordLines+1 || broken[0] != "line 2: "+errLong.Error() {
		t.Fatalf("rows %v, %d broken, first %q", ids, len(broken), broken[0])
	}
}

func TestHeader(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"empty":         {"", "columns missing: Ticket ID, Customer Name"},
		"one missing":   {strings.Replace(header, "Customer Email", "Mail", 1), "columns missing: Customer Email"},
		"one twice":     {strings.Replace(header, "Customer Gender", "Resolution", 1), "columns there twice: Resolution"},
		"another table": {"a,b\n1,2\n", "columns missing"},
	} {
		_, err := NewReader(strings.NewReader(test.file))
		var bad *HeaderError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	rd, err := NewReader(strings.NewReader(strings.Replace(header, "Customer Gender", "Shoe Size", 1)))
	if err != nil || !slices.Equal(rd.Ignored(), []string{"Shoe Size"}) {
		t.Errorf("unknown column: %v, %v", rd.Ignored(), err)
	}
}

func TestReadFailure(t *testing.T) {
	rd, err := NewReader(io.MultiReader(strings.NewReader(header+line(1, nil)), iotest.ErrReader(errors.New("disk gone"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rd.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := rd.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("a failure of the disk looks like the end: %v", err)
	}
}

// TestAnyTextComesBack writes rows with any text and reads them again.
func TestAnyTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-z",\n&é]{0,30}x`), 1, 6).Draw(t, "texts")
		file := header
		for i, text := range texts {
			file += line(i, map[string]string{"Ticket Description": text})
		}
		rd, err := NewReader(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			row, err := rd.Next()
			if err != nil {
				t.Fatal(err)
			}
			if row.Description != text {
				t.Fatalf("row %d: %q, want %q", i, row.Description, text)
			}
		}
	})
}
