package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/api"
)

// goType returns the Go type of a parameter, a field or a result, in package rpc.
func goType(t api.Type) string {
	switch {
	case t.Kind == api.Structure && t.List:
		return "[]rpc." + api.GoName(t.Struct.Name)
	case t.Kind == api.Structure:
		return "*rpc." + api.GoName(t.Struct.Name)
	case t.List:
		return "[]string"
	case t.Kind.Text():
		return "string"
	}
	switch t.Kind {
	case api.OptString:
		return "*string"
	case api.Buffer:
		return "[]byte"
	case api.Hashtable:
		return "[]rpc.Pair"
	case api.Char:
		return "byte"
	case api.Percent:
		return "float32"
	case api.UUID:
		return "[32]byte"
	}
	return string(t.Kind)
}

// codeCall returns the statement that codes a value through the codec c; v is a pointer
// to it.
func codeCall(t api.Type, v string) string {
	method := ""
	switch {
	case t.Kind == api.Structure && t.List:
		return fmt.Sprintf("xdr.List(c, %s, %d)", v, size(t.Struct))
	case t.Kind == api.Structure:
		return strings.TrimPrefix(v, "&") + ".Code(c)"
	case t.List:
		method = "Strings"
	case t.Kind.Text():
		method = "String"
	case t.Kind == api.OptString:
		method = "OptString"
	case t.Kind == api.Buffer:
		method = "Bytes"
	case t.Kind == api.Hashtable:
		return fmt.Sprintf("rpc.CodePairs(c, %s)", v)
	case t.Kind == api.Percent:
		method = "Float"
	default:
		method = api.GoName(string(t.Kind))
	}
	return fmt.Sprintf("c.%s(%s)", method, v)
}

func fieldCode(f api.Field) string {
	if f.Kind == api.UUID {
		return fmt.Sprintf("c.Fixed(s.%s[:])", api.GoName(f.Name))
	}
	return codeCall(api.Type{Kind: f.Kind}, "&s."+api.GoName(f.Name))
}

// size returns how many bytes a structure takes on the wire at least.
func size(s *api.Struct) (n int) {
	for _, f := range s.Fields {
		switch f.Kind {
		case api.Int64, api.Uint64:
			n += 8
		case api.UUID:
			n += 32
		default:
			n += 4
		}
	}
	return n
}

// argsName returns the type of a procedure's arguments, or "" if it has none.
func argsName(f *api.Function) string {
	if len(f.Arguments()) == 0 && len(f.Options) == 0 {
		return ""
	}
	return api.GoName(f.Name) + "Args"
}

// signature returns the parameters and results of a procedure's method.
func signature(f *api.Function) string {
	in := []string{"context.Context"}
	if n := argsName(f); n != "" {
		in = append(in, "*rpc."+n)
	}
	switch f.Transfers() {
	case api.FileIn:
		in = append(in, "io.Reader")
	case api.FileOut:
		in = append(in, "io.Writer")
	}
	out := "error"
	if f.Result.Kind != api.None {
		out = fmt.Sprintf("(%s, error)", goType(f.Result))
	}
	return fmt.Sprintf("(%s) %s", strings.Join(in, ", "), out)
}

// check is a parameter that is looked at before the method sees it.
type check struct {
	Method, Param, Field string
	Option               bool
}

// checks returns what to look at in a procedure's arguments.
func checks(f *api.Function) (l []check) {
	add := func(p api.Param, option bool) {
		c := check{Param: p.Name, Field: api.GoName(p.Name), Option: option}
		if option {
			c.Field += ".Value"
		}
		switch p.Type.Kind {
		case api.Path:
			c.Method = "path"
		case api.Device:
			c.Method = "device"
		case api.Mountable:
			c.Method = "mountable"
		case api.DevPath:
			c.Method = "devPath"
		case api.MntPath:
			c.Method = "mntPath"
		default:
			return
		}
		if p.Type.List {
			c.Method += "s"
		}
		l = append(l, c)
	}
	for _, p := range f.Params {
		add(p, false)
	}
	for _, p := range f.Options {
		add(p, true)
	}
	return l
}
