package scan

import (
	"bytes"
	"html"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func nextByte(c byte) finder {
	return func(buf []byte, i int) int {
		at := bytes.IndexByte(buf[i:], c)
		if at < 0 {
			return -1
		}
		return i + at
	}
}

// nextOf finds any of a few bytes.
func nextOf(chars string) finder {
	var in [256]bool
	for _, c := range []byte(chars) {
		in[c] = true
	}
	return func(buf []byte, i int) int {
		for ; i < len(buf); i++ {
			if in[buf[i]] {
				return i
			}
		}
		return -1
	}
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// hexNumber reads n hexadecimal digits at i, or says no.
func hexNumber(buf []byte, i, n int) (rune, bool) {
	if i+n > len(buf) {
		return 0, false
	}
	var v rune
	for _, b := range buf[i : i+n] {
		d := hexDigit(b)
		if d < 0 {
			return 0, false
		}
		v = v<<4 | rune(d)
	}
	return v, true
}

// percent is URL encoding, whichever bytes are escaped.
var percent = escape{next: nextByte('%'), read: readPercent}

func readPercent(dst, buf []byte, i int) ([]byte, int) {
	if v, ok := hexNumber(buf, i+1, 2); ok {
		return append(dst, byte(v)), 3
	}
	return dst, 0
}

// form is URL encoding in which a plus is a space. Without a plus it is no
// different from percent.
var form = escape{
	trigger: nextByte('+'),
	next:    nextOf("+%"),
	read: func(dst, buf []byte, i int) ([]byte, int) {
		if buf[i] == '+' {
			return append(dst, ' '), 1
		}
		return readPercent(dst, buf, i)
	},
}

// quotedPrintable is RFC 2045 with its soft line breaks.
var quotedPrintable = escape{next: nextByte('='), read: readQuoted}

func readQuoted(dst, buf []byte, i int) ([]byte, int) {
	if v, ok := hexNumber(buf, i+1, 2); ok {
		return append(dst, byte(v)), 3
	}
	// A soft break; blanks may have been added before the end of the line.
	j := i + 1
	for j < len(buf) && j < i+8 && (buf[j] == ' ' || buf[j] == '\t') {
		j++
	}
	if j < len(buf) && buf[j] == '\r' {
		j++
	}
	if j < len(buf) && buf[j] == '\n' {
		return dst, j + 1 - i
	}
	return dst, 0
}

// backslash covers the escapes of JSON and of source code and logs.
var backslash = escape{next: nextByte('\\'), read: readBackslash}

var shortEscapes = [256]byte{
	'"': '"', '\'': '\'', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func readBackslash(dst, buf []byte, i int) ([]byte, int) {
	if i+1 >= len(buf) {
		return dst, 0
	}
	switch c := buf[i+1]; c {
	case 'u':
		return readUnicode(dst, buf, i)
	case 'U':
		if v, ok := hexNumber(buf, i+2, 8); ok && utf8.ValidRune(v) {
			return utf8.AppendRune(dst, v), 10
		}
	case 'x':
		if v, ok := hexNumber(buf, i+2, 2); ok {
			return append(dst, byte(v)), 4
		}
	case '0', '1', '2', '3':
		if i+3 < len(buf) && buf[i+2]&^7 == '0' && buf[i+3]&^7 == '0' {
			return append(dst, (c-'0')<<6|(buf[i+2]-'0')<<3|(buf[i+3]-'0')), 4
		}
	default:
		if plain := shortEscapes[c]; plain != 0 {
			return append(dst, plain), 2
		}
	}
	return dst, 0
}

func readUnicode(dst, buf []byte, i int) ([]byte, int) {
	v, ok := hexNumber(buf, i+2, 4)
	if !ok {
		return dst, 0
	}
	if utf16.IsSurrogate(v) && i+7 < len(buf) && buf[i+6] == '\\' && buf[i+7] == 'u' {
		if low, ok := hexNumber(buf, i+8, 4); ok {
			if r := utf16.DecodeRune(v, low); r != utf8.RuneError {
				return utf8.AppendRune(dst, r), 12
			}
		}
	}
	return utf8.AppendRune(dst, v), 6
}

// entity covers HTML and XML, named and numbered.
var entity = escape{next: nextByte('&'), read: readEntity}

func readEntity(dst, buf []byte, i int) ([]byte, int) {
	end := bytes.IndexByte(buf[i:min(len(buf), i+34)], ';')
	if end < 2 || bytes.IndexByte(buf[i+1:i+end], '&') >= 0 {
		return dst, 0
	}
	text := string(buf[i : i+end+1])
	plain := html.UnescapeString(text)
	if plain == text || strings.HasSuffix(plain, ";") && text != "&semi;" && text != "&#59;" {
		return dst, 0
	}
	return append(dst, plain...), end + 1
}
