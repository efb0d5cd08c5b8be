package main

import (
	"fmt"
	"go/token"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/api"
)

// bindingFiles are the templates of package guestfs.
var bindingFiles = []string{"structs", "options", "daemon", "local"}

// argName returns what a parameter is called in the code of package guestfs.
func argName(name string) string {
	if token.IsKeyword(name) {
		return name + "_"
	}
	return name
}

// bindingType returns the Go type of a parameter, field or result in package guestfs.
func bindingType(t api.Type) string {
	switch {
	case t.Kind == api.Structure && t.List:
		return "*[]" + api.BindingStruct(t.Struct.Name)
	case t.Kind == api.Structure:
		return "*" + api.BindingStruct(t.Struct.Name)
	case t.Kind == api.Hashtable:
		return "map[string]string"
	case t.Kind == api.FileIn, t.Kind == api.FileOut:
		return "string"
	}
	return goType(t)
}

// bindingSignature returns the parameters and results of a method of package guestfs.
// The results have names.
func bindingSignature(f *api.Function) string {
	var in []string
	for _, p := range f.Params {
		in = append(in, argName(p.Name)+" "+bindingType(p.Type))
	}
	if len(f.Options) > 0 {
		in = append(in, "optargs *Optargs"+api.BindingName(f.Name))
	}
	out := "error"
	if f.Result.Kind != api.None {
		out = fmt.Sprintf("(r %s, err error)", bindingType(f.Result))
	}
	return fmt.Sprintf("(%s) %s", strings.Join(in, ", "), out)
}

// traced returns the parameters of a method for the trace.
func traced(f *api.Function) string {
	var l []string
	for _, p := range f.Params {
		n := argName(p.Name)
		if p.Type.Kind == api.Key {
			n = "secret{}"
		}
		l = append(l, n)
	}
	if len(f.Options) > 0 {
		l = append(l, "optargs")
	}
	if len(l) == 0 {
		return "nil"
	}
	return "[]any{" + strings.Join(l, ", ") + "}"
}

// passed returns the arguments that a method passes on.
func passed(f *api.Function) string {
	var l []string
	for _, p := range f.Params {
		l = append(l, argName(p.Name))
	}
	if len(f.Options) > 0 {
		l = append(l, "optargs")
	}
	return strings.Join(l, ", ")
}

// file returns the parameter that is a host path of a file to transfer, or "".
func file(f *api.Function) string {
	for _, p := range f.Params {
		if p.Type.Kind == api.FileIn || p.Type.Kind == api.FileOut {
			return argName(p.Name)
		}
	}
	return ""
}

// decode returns the statement that decodes a result.
func decode(t api.Type) string {
	switch {
	case t.Kind == api.Structure && t.List:
		return fmt.Sprintf("r = decodeList(c, %d, code%s)", size(t.Struct), api.BindingStruct(t.Struct.Name))
	case t.Kind == api.Structure:
		return fmt.Sprintf("code%s(c, r)", api.BindingStruct(t.Struct.Name))
	case t.Kind == api.Hashtable:
		return "r = decodeMap(c)"
	case t.List:
		return "r = decodeStrings(c)"
	}
	return codeCall(t, "&r")
}

// failed returns what a method returns besides an error, or "" if it is the zero value.
func failed(t api.Type) string {
	if t.Kind == api.Structure && !t.List {
		return "&" + api.BindingStruct(t.Struct.Name) + "{}"
	}
	return ""
}

func bindingFieldCode(f api.Field) string {
	if f.Kind == api.UUID {
		return fmt.Sprintf("c.Fixed(s.%s[:])", api.BindingName(f.Name))
	}
	return codeCall(api.Type{Kind: f.Kind}, "&s."+api.BindingName(f.Name))
}

// remark returns the end of a method's documentation.
func remark(f *api.Function) string {
	var b strings.Builder
	if f.Group != "" {
		fmt.Fprintf(&b, "\n// It is in the optional group %s.", f.Group)
	}
	switch {
	case f.Deprecated && f.ReplacedBy != "" && !strings.HasPrefix(f.ReplacedBy, "internal_"):
		fmt.Fprintf(&b, "\n//\n// Deprecated: use [Guestfs.%s].", api.BindingName(f.ReplacedBy))
	case f.Deprecated:
		b.WriteString("\n//\n// Deprecated: there is no use for it.")
	}
	return b.String()
}

// public returns the functions that programs are meant to call.
func public(l []*api.Function) (r []*api.Function) {
	for _, f := range l {
		if !f.Internal() {
			r = append(r, f)
		}
	}
	return r
}

// zero returns the zero value of a result's type.
func zero(t api.Type) string {
	switch t.Kind {
	case api.Bool:
		if !t.List {
			return "false"
		}
	case api.Int, api.Int64:
		if !t.List {
			return "0"
		}
	case api.String, api.Path, api.Device, api.Mountable:
		if !t.List {
			return `""`
		}
	}
	return "nil"
}
