package person

import "strings"

// FoldHandle brings a handle into the form that is compared: lower case, without
// blanks around it and without the leading @.
func FoldHandle(s string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "@")
}

// FoldPhone brings a telephone number into the form that is compared: its
// digits and a leading plus. A text without digits is taken as it is.
func FoldPhone(s string) string {
	s = strings.TrimSpace(s)
	var b strings.Builder
	for i, r := range s {
		if r >= '0' && r <= '9' || r == '+' && i == 0 {
			b.WriteRune(r)
		}
	}
	if folded := b.String(); strings.Trim(folded, "+") != "" {
		return folded
	}
	return strings.ToLower(s)
}

// FoldEmail is the form in which addresses are stored and compared: composed
// characters (nfc does that), lower case, no blanks around.
func FoldEmail(s string, nfc func(string) string) string {
	return nfc(strings.ToLower(strings.TrimSpace(nfc(s))))
}

// LocalPart returns what stands before the @ of an address.
func LocalPart(email string) string {
	if i := strings.LastIndexByte(email, '@'); i > 0 {
		return email[:i]
	}
	return email
}
