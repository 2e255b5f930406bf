package importer

import (
	"strconv"

	"github.com/lethe-desk/lethe/services/lethe/internal/ticketcsv"
)

// ticketBody is the ticket of a row. Name, age and gender are also custom fields
// of the ticket, because an address with several names is one contact.
func ticketBody(row *ticketcsv.Row) map[string]any {
	custom := map[string]any{"cf_customer_name": row.Name}
	if row.Age != nil {
		custom["cf_customer_age"] = *row.Age
	}
	for name, value := range map[string]string{
		"cf_customer_gender": row.Gender, "cf_product_purchased": row.Product, "cf_date_of_purchase": row.Purchased,
		"cf_first_response_time": row.FirstResponse, "cf_time_to_resolution": row.TimeToResolution,
	} {
		if value != "" {
			custom[name] = value
		}
	}
	body := map[string]any{
		"email": row.Email, "name": row.Name, "subject": row.Subject, "description": row.Description,
		"status": row.Status, "priority": row.Priority, "source": row.Source, "custom_fields": custom,
	}
	if row.Type != "" {
		body["type"] = row.Type
	}
	return body
}

// part is what hangs on a row's ticket.
type part struct {
	name, path, key string
	body            map[string]any
}

// ratingPart is the name of the part that Result counts.
const ratingPart = "rating"

// parts are what a row says beside its ticket, in the order in which it happened.
func parts(row *ticketcsv.Row, ticket int64) []part {
	var out []part
	if row.Resolution != "" {
		path := "/api/v2/tickets/" + strconv.FormatInt(ticket, 10) + "/reply"
		out = append(out, part{"reply", path, "/reply", map[string]any{"body": row.Resolution}})
	}
	switch row.Source {
	case ticketcsv.SourcePhone:
		out = append(out, part{"call", "/api/v2/calls", "/call", map[string]any{
			"ticket_id": ticket, "direction": "incoming", "notes": row.Description,
		}})
	case ticketcsv.SourceChat:
		lines := []map[string]any{{"from": "contact", "text": row.Description}}
		if row.Resolution != "" {
			lines = append(lines, map[string]any{"from": "agent", "text": row.Resolution})
		}
		out = append(out, part{"chat", "/api/v2/chats", "/chat", map[string]any{"ticket_id": ticket, "messages": lines}})
	}
	if row.Rating != nil {
		path := "/api/v2/tickets/" + strconv.FormatInt(ticket, 10) + "/satisfaction_ratings"
		out = append(out, part{ratingPart, path, "/rating", map[string]any{"ratings": map[string]int{"default_question": *row.Rating}}})
	}
	return out
}
