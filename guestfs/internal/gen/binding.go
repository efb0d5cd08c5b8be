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
func bindingSignature(f *api.Function) string {
	var in []string
	for _, p := range f.Params {
		in = append(in, argName(p.Name)+" "+bindingType(p.Type))
	}
	if len(f.Options) > 0 {
		in = append(in, "optargs *Optargs"+api.BindingName(f.Name))
	}
	return fmt.Sprintf("(%s) %s", strings.Join(in, ", "), bindingResults(f))
}

func bindingResults(f *api.Function) string {
	if f.Result.Kind == api.None {
		return "error"
	}
	return fmt.Sprintf("(%s, error)", bindingType(f.Result))
}

// caller returns the beginning of the call that does what a procedure's method does.
func caller(f *api.Function) string {
	switch t := f.Result; {
	case f.Transfers() != api.None:
		return "g.transfer("
	case t.Kind == api.None:
		return "g.do("
	case t.Kind == api.Structure && !t.List:
		return "record(g, "
	}
	return "result(g, "
}

// localCaller is caller for a function that the library does by itself.
func localCaller(f *api.Function) string {
	switch t := f.Result; {
	case t.Kind == api.None:
		return "g.local("
	case t.Kind == api.Structure && !t.List:
		return "structure(g, "
	}
	return "value(g, "
}

// message returns the arguments of a procedure, made of a method's parameters. Optional
// ones are in o; each has a line of its own, as there are up to thirty.
func message(f *api.Function) string {
	var b strings.Builder
	for i, p := range f.Arguments() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %s", api.GoName(p.Name), argName(p.Name))
	}
	if b.Len() > 0 && len(f.Options) > 0 {
		b.WriteString(",")
	}
	for _, p := range f.Options {
		n := api.BindingName(p.Name)
		fmt.Fprintf(&b, "\n%s: opt(o.%s, o.%[2]s_is_set),", api.GoName(p.Name), n)
	}
	if len(f.Options) > 0 {
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "nil"
	}
	return fmt.Sprintf("&rpc.%s{%s}", argsName(f), b.String())
}

// traced returns the parameters of a method for the trace, which shows no passphrases.
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
	return strings.Join(l, ", ")
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

// decoder returns the function that decodes a result, or "" if there is none.
func decoder(t api.Type) string {
	switch {
	case t.Kind == api.None:
		return ""
	case t.Kind == api.Structure && t.List:
		return fmt.Sprintf("list(%d, code%s)", size(t.Struct), api.BindingStruct(t.Struct.Name))
	case t.Kind == api.Structure:
		return "code" + api.BindingStruct(t.Struct.Name)
	case t.Kind == api.Hashtable:
		return "decodeMap"
	case t.List:
		return "decodeStrings"
	}
	return "(*xdr.Codec)." + codecMethod(t)
}

func bindingFieldCode(f api.Field) string {
	if f.Kind == api.UUID {
		return fmt.Sprintf("c.Fixed(s.%s[:])", api.BindingName(f.Name))
	}
	return codeCall(api.Type{Kind: f.Kind}, "&s."+api.BindingName(f.Name))
}

// manual names a function and where the manual describes it.
func manual(f *api.Function) string {
	s := "guestfs_" + f.Name
	if f.Group != "" {
		s += " of the optional group " + f.Group
	}
	return s + ", https://libguestfs.org/guestfs.3.html#guestfs_" + f.Name
}

// deprecated returns the paragraph of a method's documentation that says what to call
// instead of it.
func deprecated(f *api.Function) string {
	switch {
	case !f.Deprecated:
		return ""
	case f.ReplacedBy != "" && !strings.HasPrefix(f.ReplacedBy, "internal_"):
		return fmt.Sprintf("\n//\n// Deprecated: use [Guestfs.%s].", api.BindingName(f.ReplacedBy))
	}
	return "\n//\n// Deprecated: there is no use for it."
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
