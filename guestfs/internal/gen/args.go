package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/api"
)

// argsName returns the type of a procedure's arguments, or "" if it has none.
func argsName(f *api.Function) string {
	if len(f.Arguments()) == 0 && len(f.Options) == 0 {
		return ""
	}
	return api.GoName(f.Name) + "Args"
}

// argFields returns the body of the structure of a procedure's arguments: one line if
// they have one type, as most do, or else a line for each.
func argFields(f *api.Function) string {
	type field struct{ name, typ string }
	var l []field
	for _, p := range f.Arguments() {
		l = append(l, field{api.GoName(p.Name), goType(p.Type)})
	}
	for _, p := range f.Options {
		l = append(l, field{api.GoName(p.Name), "Opt[" + goType(p.Type) + "]"})
	}
	var names []string
	var lines strings.Builder
	for _, p := range l {
		if p.typ == l[0].typ {
			names = append(names, p.name)
		}
		fmt.Fprintf(&lines, "\t%s %s\n", p.name, p.typ)
	}
	if len(names) == len(l) {
		return fmt.Sprintf("{ %s %s }", strings.Join(names, ", "), l[0].typ)
	}
	return "{\n" + lines.String() + "}"
}

// nameTypes are the types of package rpc to which pointers to names are converted.
var nameTypes = map[api.Kind]string{
	api.Path: "path", api.Device: "device", api.Mountable: "mountable", api.DevPath: "devPath", api.MntPath: "mntPath",
}

// fieldList returns pointers to the arguments of a procedure.
func fieldList(f *api.Function) string {
	var l []string
	for _, p := range f.Arguments() {
		v := "&a." + api.GoName(p.Name)
		if t := nameTypes[p.Type.Kind]; t != "" {
			if p.Type.List {
				t += "s"
			}
			v = fmt.Sprintf("(*%s)(%s)", t, v)
		}
		l = append(l, v)
	}
	for _, p := range f.Options {
		l = append(l, "&a."+api.GoName(p.Name))
	}
	return strings.Join(l, ", ")
}
