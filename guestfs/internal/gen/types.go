package main

import (
	"fmt"

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
	return fmt.Sprintf("c.%s(%s)", codecMethod(t), v)
}

// codecMethod returns the method of xdr.Codec for a type that is neither a structure nor
// a hashtable.
func codecMethod(t api.Type) string {
	switch {
	case t.List:
		return "Strings"
	case t.Kind.Text():
		return "String"
	case t.Kind == api.OptString:
		return "OptString"
	case t.Kind == api.Buffer:
		return "Bytes"
	case t.Kind == api.Percent:
		return "Float"
	}
	return api.GoName(string(t.Kind))
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
