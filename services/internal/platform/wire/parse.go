package wire

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// The bounds of what is read.
const (
	// MaxDepth is how deep objects and arrays may lie in each other.
	MaxDepth = 32
	// MaxBytes is the largest body.
	MaxBytes = 1 << 20
	// MaxValues is how many values a body may hold, because each costs far more memory than its bytes.
	MaxValues = 50_000
)

var errSyntax = errors.New("not json")

// kind is the type of a JSON value.
type kind uint8

const (
	isNull kind = iota
	isBool
	isNumber
	isString
	isArray
	isObject
)

// node is a parsed JSON value. text is a string's content or a number as it was written.
type node struct {
	kind    kind
	truth   bool
	text    string
	items   []node
	members []member
}

type member struct {
	name  string
	value node
}

// parser reads one JSON text.
type parser struct {
	data   []byte
	at     int
	values int
}

// parse reads a whole text, or fails with errSyntax.
func parse(data []byte) (node, error) {
	if len(data) > MaxBytes || !utf8.Valid(data) {
		return node{}, errSyntax
	}
	p := parser{data: data}
	n, err := p.value(0)
	if err != nil {
		return node{}, err
	}
	if p.blank(); p.at != len(p.data) {
		return node{}, errSyntax
	}
	return n, nil
}

func (p *parser) blank() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek skips blanks and returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	p.blank()
	if p.at == len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *parser) value(depth int) (node, error) {
	if p.values++; depth > MaxDepth || p.values > MaxValues {
		return node{}, errSyntax
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.str()
		return node{kind: isString, text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return node{kind: isBool, truth: true}, p.word("true")
	case c == 'f':
		return node{kind: isBool}, p.word("false")
	case c == 'n':
		return node{}, p.word("null")
	}
	return node{}, errSyntax
}

func (p *parser) word(w string) error {
	if len(p.data)-p.at < len(w) || string(p.data[p.at:p.at+len(w)]) != w {
		return errSyntax
	}
	p.at += len(w)
	return nil
}

func (p *parser) object(depth int) (node, error) {
	n := node{kind: isObject}
	p.at++
	if p.peek() == '}' {
		p.at++
		return n, nil
	}
	for {
		if p.peek() != '"' {
			return node{}, errSyntax
		}
		name, err := p.str()
		if err != nil {
			return node{}, err
		}
		if p.peek() != ':' {
			return node{}, errSyntax
		}
		p.at++
		v, err := p.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, v})
		if end, err := p.next('}'); end || err != nil {
			return n, err
		}
	}
}

func (p *parser) array(depth int) (node, error) {
	n := node{kind: isArray}
	p.at++
	if p.peek() == ']' {
		p.at++
		return n, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, v)
		if end, err := p.next(']'); end || err != nil {
			return n, err
		}
	}
}

// next reads a comma, or the end of an array or object.
func (p *parser) next(closing byte) (bool, error) {
	switch p.peek() {
	case closing:
		p.at++
		return true, nil
	case ',':
		p.at++
		return false, nil
	}
	return false, errSyntax
}

func (p *parser) number() (node, error) {
	start := p.at
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			p.at++
			continue
		}
		break
	}
	text := p.data[start:p.at]
	if !json.Valid(text) {
		return node{}, errSyntax
	}
	return node{kind: isNumber, text: string(text)}, nil
}

// str reads a string. Escapes are left to the standard library.
func (p *parser) str() (string, error) {
	start := p.at
	p.at++
	escaped := false
	for p.at < len(p.data) {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			raw := p.data[start:p.at]
			if !escaped {
				return string(raw[1 : len(raw)-1]), nil
			}
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", errSyntax
			}
			return s, nil
		case c == '\\':
			escaped = true
			p.at += 2
		case c < 0x20:
			return "", errSyntax
		default:
			p.at++
		}
	}
	return "", errSyntax
}
