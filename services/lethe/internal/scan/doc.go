// Package scan looks for strings in raw files, in every encoding they commonly
// lie there: UTF-8, UTF-16 of both byte orders, Latin-1, base64 of both
// alphabets at all offsets and broken into lines, hexadecimal, percent and form
// encoding, quoted-printable, encoded words of mail headers, JSON and source escapes, HTML entities, and two
// of those around each other; in any case; also inside gzip and ZIP members and
// in the names of files.
//
// It is the proof that an erasure left nothing behind, so it would rather look
// too closely: what cannot be opened is reported and never counts as clean.
//
// How it works: all needles are sought in one pass, by a filter over the first
// eight bytes of each (a pass costs about a nanosecond a byte, whether there
// are ten needles or twenty thousand). Encodings are not turned into more
// patterns, because a needle has far too many spellings (which bytes are
// escaped, where lines break, what case a base64 text had); instead the
// stretches of a file that look encoded are decoded and passed through the same
// search. Memory is bounded by the window, not by the file.
//
// What it cannot see: a string which the file's own format tears apart (a value
// that spills over two database pages), and anything encrypted.
package scan
