package scan

const notBase64 = 0xff

// base64Value maps both alphabets at once; what only one of them allows cannot
// be mistaken, since no text mixes them.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = notBase64
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range len(letters) {
		t[letters[i]] = byte(i)
	}
	t['+'], t['-'], t['/'], t['_'] = 62, 62, 63, 63
	return t
}()

// inBase64 holds what a run may contain, breaks included. A run long enough that
// begins at or before a byte and ends behind it has only such bytes there, so
// looking at every sixteenth byte is enough to find the runs.
var inBase64 = func() (t [256]bool) {
	for i := range t {
		t[i] = base64Value[i] != notBase64
	}
	t['\r'], t['\n'], t[' '], t['\t'] = true, true, true, true
	return t
}()

// eachBase64 decodes every run of base64 letters that could hold a needle, from
// each of its first four letters on: the text may begin anywhere in the run, and
// the needle anywhere in the text.
func eachBase64(v *viewer, buf []byte) {
	need := (v.set.shortest*8 + 5) / 6
	probe := min(need, 16) - 1
	for i := 0; i+probe < len(buf); {
		if !inBase64[buf[i+probe]] {
			i += probe + 1
			continue
		}
		if base64Value[buf[i]] == notBase64 {
			i++
			continue
		}
		end, letters := base64Run(buf, i)
		if letters >= need {
			for phase := range 4 {
				decodeBase64(v, buf[:end], i, phase)
			}
		}
		i = end
	}
}

// base64Run returns where the run that begins at i ends and how many letters it
// has. Line breaks, with the blanks that indent the next line, do not end it.
func base64Run(buf []byte, i int) (end, letters int) {
	for i < len(buf) {
		if base64Value[buf[i]] != notBase64 {
			letters++
			i++
			continue
		}
		next := skipBreak(buf, i)
		if next == i || next >= len(buf) || base64Value[buf[next]] == notBase64 {
			break
		}
		i = next
	}
	return i, letters
}

func skipBreak(buf []byte, i int) int {
	start := i
	for i < len(buf) && (buf[i] == '\r' || buf[i] == '\n') {
		i++
	}
	if i == start {
		return i
	}
	for i < len(buf) && (buf[i] == ' ' || buf[i] == '\t') {
		i++
	}
	return i
}

func decodeBase64(v *viewer, buf []byte, start, phase int) {
	var bits, have uint
	from := start
	for i := start; i < len(buf); i++ {
		value := base64Value[buf[i]]
		if value == notBase64 {
			continue
		}
		if phase > 0 {
			phase--
			continue
		}
		if have == 0 {
			from = i
		}
		bits = bits<<6 | uint(value)
		have += 6
		if have >= 8 {
			have -= 8
			v.put(byte(bits>>have), from)
			from = i
		}
	}
	v.cut(from)
}

// eachHex decodes every run of hexadecimal digits that could hold a needle.
func eachHex(v *viewer, buf []byte) {
	need := 2 * v.set.shortest
	probe := min(need, 16) - 1
	for i := 0; i+probe < len(buf); {
		if hexDigit(buf[i+probe]) < 0 {
			i += probe + 1
			continue
		}
		if hexDigit(buf[i]) < 0 {
			i++
			continue
		}
		end := i
		for end < len(buf) && hexDigit(buf[end]) >= 0 {
			end++
		}
		if end-i >= need {
			for phase := range 2 {
				for j := i + phase; j+1 < end; j += 2 {
					v.put(byte(hexDigit(buf[j])<<4|hexDigit(buf[j+1])), j)
				}
				v.cut(i)
			}
		}
		i = end
	}
}
