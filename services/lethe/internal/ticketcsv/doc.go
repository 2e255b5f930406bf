// Package ticketcsv reads the layout of the public customer-support ticket data
// set: a CSV file in UTF-8 with a header, one ticket a row, quoted fields with
// line breaks in them.
//
// It streams: a file of any size takes the memory of one row and of the ticket
// ids seen. A row is checked whole before it is handed out. A row that is broken
// is handed out as the line it begins on and a reason which holds nothing of the
// row, and reading goes on with the next row.
package ticketcsv
