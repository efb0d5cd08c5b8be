package api

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed api.txt
var description string

// Load reads the description.
func Load() (*API, error) { return Parse(description) }

// Parse reads a description. Structures come before the functions that return
// them, procedures in the order of their numbers, all names are unique.
func Parse(text string) (*API, error) {
	p := parser{structs: map[string]*Struct{}, names: map[string]bool{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := p.line(strings.TrimRight(line, "\n")); err != nil {
			return nil, fmt.Errorf("api description, line %d: %w", n, err)
		}
	}
	return &p.api, nil
}

type parser struct {
	api     API
	structs map[string]*Struct
	current *Struct
	names   map[string]bool
}

func (p *parser) line(s string) error {
	switch {
	case s == "" || strings.HasPrefix(s, "#"):
		p.current = nil
		return nil
	case strings.HasPrefix(s, "\t"):
		return p.field(s)
	}
	p.current = nil
	if name, ok := strings.CutPrefix(s, "struct "); ok {
		if p.structs[name] != nil || !isName(name) {
			return fmt.Errorf("structure %q", name)
		}
		p.current = &Struct{Name: name}
		p.structs[name] = p.current
		p.api.Structs = append(p.api.Structs, p.current)
		return nil
	}
	f, err := p.function(s)
	if err != nil {
		return err
	}
	if p.names[f.Name] {
		return fmt.Errorf("a second %s", f.Name)
	}
	p.names[f.Name] = true
	if f.Number == 0 {
		p.api.Local = append(p.api.Local, f)
		return nil
	}
	if l := p.api.Procedures; len(l) > 0 && l[len(l)-1].Number >= f.Number {
		return fmt.Errorf("number %d is out of order", f.Number)
	}
	p.api.Procedures = append(p.api.Procedures, f)
	return nil
}

func (p *parser) field(s string) error {
	name, kind, _ := strings.Cut(strings.TrimSpace(s), " ")
	if p.current == nil || !isName(name) {
		return fmt.Errorf("field %q", name)
	}
	switch k := Kind(kind); k {
	case String, Buffer, Int32, Uint32, Int64, Uint64, Char, Percent, UUID:
		p.current.Fields = append(p.current.Fields, Field{name, k})
		return nil
	}
	return fmt.Errorf("field %s is of type %q", name, kind)
}

var functionLine = regexp.MustCompile(`^(-|[1-9][0-9]*) (\w+)\(([^()]*)\)(?: ([\w\[\]]+))?(?:  (@.+))?$`)

func (p *parser) function(s string) (*Function, error) {
	m := functionLine.FindStringSubmatch(s)
	if m == nil {
		return nil, fmt.Errorf("neither a structure nor a function: %q", s)
	}
	f := &Function{Name: m[2]}
	if m[1] != "-" {
		n, err := strconv.ParseUint(m[1], 10, 16)
		if err != nil {
			return nil, err
		}
		f.Number = uint32(n)
	}
	if m[3] != "" {
		for part := range strings.SplitSeq(m[3], ", ") {
			if err := p.param(f, part); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	var err error
	if f.Result, err = p.resultType(m[4]); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	for flag := range strings.FieldsSeq(m[5]) {
		if err := f.flag(flag); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return f, nil
}

func (p *parser) param(f *Function, s string) error {
	name, typ, _ := strings.Cut(s, " ")
	name, optional := strings.CutPrefix(name, "?")
	var t Type
	typ, t.List = strings.CutPrefix(typ, "[]")
	t.Kind = Kind(typ)
	if !isName(name) {
		return fmt.Errorf("parameter %q", name)
	}
	for _, other := range append(f.Params, f.Options...) {
		if other.Name == name {
			return fmt.Errorf("a second parameter %s", name)
		}
	}
	ok := t.Kind.Text()
	if !t.List {
		switch t.Kind {
		case Bool, Int, Int64:
			ok = true
		case OptString, Buffer:
			ok = !optional
		case FileIn, FileOut:
			ok = !optional && f.Transfers() == None
		}
	}
	if !ok {
		return fmt.Errorf("parameter %s is of type %q", name, t)
	}
	if !optional && len(f.Options) > 0 {
		return fmt.Errorf("%s follows optional ones", name)
	}
	if optional {
		f.Options = append(f.Options, Param{name, t})
	} else {
		f.Params = append(f.Params, Param{name, t})
	}
	return nil
}

func (p *parser) resultType(s string) (Type, error) {
	var t Type
	s, t.List = strings.CutPrefix(s, "[]")
	t.Kind = Kind(s)
	switch t.Kind {
	case String:
		return t, nil
	case None, OptString, Buffer, Bool, Int, Int64, Hashtable:
		if !t.List {
			return t, nil
		}
	default:
		if t.Struct = p.structs[s]; t.Struct != nil {
			t.Kind = Structure
			return t, nil
		}
	}
	return t, fmt.Errorf("result of type %q", s)
}

func (f *Function) flag(s string) error {
	key, value, _ := strings.Cut(s, "=")
	switch {
	case key == "@group" && isName(value):
		f.Group = value
	case s == "@progress":
		f.Progress = true
	case key == "@deprecated":
		f.Deprecated, f.ReplacedBy = true, value
	case key == "@since" && value != "":
		f.Since = value
	default:
		return fmt.Errorf("flag %q", s)
	}
	return nil
}

var name = regexp.MustCompile(`^[A-Za-z]\w*$`)

func isName(s string) bool { return name.MatchString(s) }
