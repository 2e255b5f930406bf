package seed

import (
	_ "embed"
	"strings"
)

// wordList holds sections of words, each begun by a line in brackets. All of it
// is invented; addresses are at domains reserved for examples and telephone
// numbers of the range kept for fiction.
//
//go:embed words.txt
var wordList string

var words = parseWords(wordList)

func parseWords(text string) map[string][]string {
	out := map[string][]string{}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			out[section] = append(out[section], line)
		}
	}
	return out
}
