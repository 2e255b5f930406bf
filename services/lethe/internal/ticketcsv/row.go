package ticketcsv

import "time"

// Row is one checked row in the desk's codes.
type Row struct {
	// Line is the line the row begins on, counted from 1.
	Line int
	// TicketID identifies the row in its file; it names no person.
	TicketID string
	// Name and Email are the customer's; the address is trimmed and in lower case.
	Name, Email string
	// Age is nil when the field is empty.
	Age *int
	// Gender, Product and Type are as in the file.
	Gender, Product, Type string
	// Purchased is a date as YYYY-MM-DD, or empty.
	Purchased string
	// Subject and Description are plain text, unchanged.
	Subject, Description string
	// Status is 2 open, 3 pending, 4 resolved or 5 closed.
	Status int
	// Resolution is the agent's answer, or empty.
	Resolution string
	// Priority is 1 low to 4 urgent.
	Priority int
	// Source is 1 e-mail, 2 portal, 3 phone or 7 chat.
	Source int
	// FirstResponse and TimeToResolution are times as in the file, or empty.
	FirstResponse, TimeToResolution string
	// Rating is a code of satisfaction ratings, -103 to 103, or nil.
	Rating *int
}

// Sources of a ticket that have a record of their own beside it.
const (
	SourcePhone = 3
	SourceChat  = 7
)

// The codes of the desk for the words of the file, in lower case.
var (
	statuses = map[string]int{
		"open": 2, "pending": 3, "pending customer response": 3, "resolved": 4, "closed": 5,
	}
	priorities = map[string]int{"low": 1, "medium": 2, "high": 3, "critical": 4}
	channels   = map[string]int{"email": 1, "phone": SourcePhone, "chat": SourceChat, "social media": 2}
	ratings    = map[float64]int{1: -103, 2: -102, 3: 100, 4: 102, 5: 103}
)

const (
	dateLayout = time.DateOnly
	timeLayout = time.DateTime
)
