package lvm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds on the text of metadata. LVM's own largest areas are some megabytes.
const (
	maxText  = 16 << 20 // bytes of one text
	maxDepth = 16       // of nested sections; LVM has six
	maxNodes = 1 << 21  // settings, values and sections of all texts together
	maxWords = 1024     // in a list, of which status, tags and the images of a RAID are the longest
)

var errNodes = errors.New("it has too many settings")

// A node is a setting, a value in a list, or a section of the text.
type node struct {
	key  string
	kind nodeKind
	num  int64
	str  string
	list []node // the values of a list, or what is in a section
}

type nodeKind byte

const (
	number nodeKind = iota
	text
	list
	section
)

// parseText parses the text of metadata, which is a file in the format of lvm.conf(5), and
// returns it as a section. It takes what it needs from the budget of nodes.
func parseText(s string, nodes *int) (node, error) {
	p := parser{text: s, nodes: nodes}
	root := node{kind: section}
	err := p.section(&root, 0)
	if err != nil {
		return node{}, fmt.Errorf("metadata, byte %d: %w", p.at, err)
	}
	return root, nil
}

type parser struct {
	text  string
	at    int
	nodes *int
}

// peek skips blanks and comments, and returns the next byte, or 0 at the end. A zero byte
// is the end too.
func (p *parser) peek() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '#':
			n := strings.IndexByte(p.text[p.at:], '\n')
			if n < 0 {
				n = len(p.text) - p.at
			}
			p.at += n
		case c == ' ' || '\t' <= c && c <= '\r':
			p.at++
		default:
			return c
		}
	}
	return 0
}

func (p *parser) count() error {
	if *p.nodes--; *p.nodes < 0 {
		return errNodes
	}
	return nil
}

// section reads up to the end of a section: a brace, or the end of the text if depth is 0.
func (p *parser) section(into *node, depth int) error {
	if depth > maxDepth {
		return errors.New("sections are nested too deeply")
	}
	for {
		switch c := p.peek(); {
		case c == '}' && depth > 0:
			p.at++
			return nil
		case c == 0 && depth == 0:
			return nil
		case c == 0:
			return errors.New("the text ends within a section")
		}
		n, err := p.setting(depth)
		if err != nil {
			return err
		}
		into.list = append(into.list, n)
	}
}

// setting reads "key = value" or "key { … }".
func (p *parser) setting(depth int) (n node, err error) {
	if err := p.count(); err != nil {
		return n, err
	}
	if n.key, err = p.word(); err != nil {
		return n, err
	}
	switch p.peek() {
	case '{':
		p.at++
		n.kind = section
		return n, p.section(&n, depth+1)
	case '=':
		p.at++
		err = p.value(&n)
		return n, err
	}
	return n, fmt.Errorf("neither a value nor a section follows %.64q", n.key)
}

func (p *parser) value(n *node) error {
	if p.peek() != '[' {
		return p.scalar(n)
	}
	p.at++
	n.kind = list
	for {
		switch p.peek() {
		case ']':
			p.at++
			return nil
		case ',':
			p.at++
			continue
		}
		if err := p.count(); err != nil {
			return err
		}
		var item node
		if err := p.scalar(&item); err != nil {
			return err
		}
		n.list = append(n.list, item)
	}
}

// scalar reads a number or a string. Numbers with a fraction have no use in metadata, and
// are kept as they are written.
func (p *parser) scalar(n *node) (err error) {
	c := p.peek()
	if n.str, err = p.word(); err != nil {
		return err
	}
	n.kind = text
	if c != '"' && c != '\'' {
		if v, err := strconv.ParseInt(n.str, 0, 64); err == nil {
			n.kind, n.num, n.str = number, v, ""
		}
	}
	return nil
}

// word reads a string in quotes or a bare word.
func (p *parser) word() (string, error) {
	switch c := p.peek(); c {
	case '"', '\'':
		return p.quoted(c)
	}
	start := p.at
	for p.at < len(p.text) && p.text[p.at] > ' ' && !strings.ContainsRune("={}[],#\"'", rune(p.text[p.at])) {
		p.at++
	}
	if p.at == start {
		return "", errors.New("a word is missing")
	}
	return p.text[start:p.at], nil
}

// quoted reads a string in quotes. In double quotes, a backslash stands before a quote or
// another backslash.
func (p *parser) quoted(quote byte) (string, error) {
	start := p.at + 1
	escaped := false
	for i := start; i < len(p.text) && p.text[i] != 0; i++ {
		switch {
		case p.text[i] == '\\' && quote == '"':
			escaped = true
			i++
		case p.text[i] == quote:
			p.at = i + 1
			s := p.text[start:i]
			if escaped {
				s = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s)
			}
			return s, nil
		}
	}
	return "", errors.New("a string has no end")
}

// get returns the first setting of a section that has the name, or nil.
func (n *node) get(key string) *node {
	for i := range n.list {
		if n.kind == section && n.list[i].key == key {
			return &n.list[i]
		}
	}
	return nil
}

// sections returns the sections in the section of that name.
func (n *node) sections(key string) (all []*node) {
	sub := n.get(key)
	if sub == nil {
		return nil
	}
	for i := range sub.list {
		if sub.kind == section && sub.list[i].kind == section {
			all = append(all, &sub.list[i])
		}
	}
	return all
}

// str returns the string that a setting has, or "".
func (n *node) text(key string) string {
	if v := n.get(key); v != nil && v.kind == text {
		return v.str
	}
	return ""
}

// int returns the number that a setting has, and whether it has one within the bounds.
func (n *node) int(key string, least, most int64) (int64, bool) {
	v := n.get(key)
	if v == nil || v.kind != number || v.num < least || v.num > most {
		return 0, false
	}
	return v.num, true
}

// words returns the strings of a list, as far as anybody would have use for more.
func (n *node) words(key string) (words []string) {
	v := n.get(key)
	if v == nil {
		return nil
	}
	if v.kind == text && v.str != "" {
		return []string{v.str}
	}
	for _, item := range v.list {
		if v.kind == list && item.kind == text && len(words) < maxWords {
			words = append(words, item.str)
		}
	}
	return words
}
