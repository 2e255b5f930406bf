package scan

import (
	"bytes"
	"strings"
)

// encodedWord is the Q encoding of mail headers (RFC 2047): an underscore is a
// space, and a long text is cut into several words.
var encodedWord = escape{
	trigger: func(buf []byte, i int) int { return nextWord(buf, i, 'q') },
	next:    nextOf("_=?"),
	read: func(dst, buf []byte, i int) ([]byte, int) {
		switch buf[i] {
		case '_':
			return append(dst, ' '), 1
		case '=':
			return readQuoted(dst, buf, i)
		default:
			return dst, wordBreak(buf[i:], 'q')
		}
	},
}

// nextWord finds the mark of an encoding, `?q?` or `?b?`, at its first byte.
func nextWord(buf []byte, i int, mark byte) int {
	for i < len(buf) {
		at := bytes.IndexByte(buf[i:], '?')
		if at < 0 {
			return -1
		}
		i += at
		if i+2 < len(buf) && fold[buf[i+1]] == mark && buf[i+2] == '?' {
			return i
		}
		i++
	}
	return -1
}

// wordBreak returns the length of the end of one encoded word and the head of
// the next (`?= =?utf-8?Q?`), or 0.
func wordBreak(b []byte, encoding byte) int {
	if len(b) < 2 || b[1] != '=' {
		return 0
	}
	i := 2
	for i < len(b) && i < 8 && strings.IndexByte(" \t\r\n", b[i]) >= 0 {
		i++
	}
	if i+2 > len(b) || b[i] != '=' || b[i+1] != '?' {
		return 0
	}
	head := b[i+2 : min(len(b), i+40)]
	mark := bytes.Index(bytes.ToLower(head), []byte{'?', encoding, '?'})
	if mark < 0 || bytes.ContainsAny(head[:mark], " =\r\n") {
		return 0
	}
	return i + 2 + mark + 3
}

// eachWord64 decodes chains of mail header words in the B encoding, which is
// base64 begun anew in each word.
func eachWord64(v *viewer, buf []byte) {
	at := nextWord(buf, 0, 'b')
	for at >= 0 {
		i := at + 3
		for n := 1; n > 0; i += n {
			i = decodeWord(v, buf, i)
			for i < len(buf) && buf[i] == '=' {
				i++
			}
			n = wordBreak(buf[i:], 'b')
		}
		v.cut(at)
		at = nextWord(buf, i, 'b')
	}
}

// decodeWord decodes base64 letters from i on and returns where they end.
func decodeWord(v *viewer, buf []byte, i int) int {
	var bits, have uint
	for ; i < len(buf) && base64Value[buf[i]] != notBase64; i++ {
		bits = bits<<6 | uint(base64Value[buf[i]])
		have += 6
		if have >= 8 {
			have -= 8
			v.put(byte(bits>>have), i)
		}
	}
	return i
}
