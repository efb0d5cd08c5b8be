package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/api"
	"github.com/unboot/unboot/guestfs/internal/doc"
)

// notProcedures are the exported methods of type Server that answer no procedure.
var notProcedures = []string{"Serve", "Close"}

// dispatch writes the dispatch table, for the methods that type Server has in the Go
// files of dir, into file.
func dispatch(a *api.API, dir, file string) error {
	methods, err := doc.Methods(dir)
	if err != nil {
		return err
	}
	var have []*api.Function
	for _, f := range a.Procedures {
		if n := api.GoName(f.Name); methods[n] {
			have = append(have, f)
			delete(methods, n)
		}
	}
	// A method with a misspelled name would answer nothing, and it would not be noticed.
	for _, n := range slices.Sorted(maps.Keys(methods)) {
		if !slices.Contains(notProcedures, n) {
			return fmt.Errorf("Server.%s is the name of no procedure: methods that answer none are not exported", n)
		}
	}
	return code(&api.API{Procedures: have}, "dispatch", file)
}

// maker returns the expression that makes a procedure of a method. It spells out the
// type of the arguments and the encoding of the result, so that a method with another
// signature does not compile.
func maker(f *api.Function) string {
	with, types, result := "do", []string{}, ""
	if n := argsName(f); n != "" {
		types = append(types, "rpc."+n)
	}
	switch t := f.Result; {
	case f.Transfers() == api.FileIn:
		with = "in"
	case f.Transfers() == api.FileOut:
		with = "out"
	case t.Kind == api.None:
	case t.Kind == api.Structure && !t.List:
		with = "record"
		types = append(types, "rpc."+api.GoName(t.Struct.Name))
	default:
		with, result = "get", ", "+encoding(t)
	}
	if argsName(f) == "" {
		with += "0"
	}
	if len(types) > 0 {
		with += "[" + strings.Join(types, ", ") + "]"
	}
	return fmt.Sprintf("%s((*Server).%s%s)", with, api.GoName(f.Name), result)
}

// encoding returns the function that encodes a result.
func encoding(t api.Type) string {
	switch {
	case t.Kind == api.Structure:
		return "records[rpc." + api.GoName(t.Struct.Name) + "]"
	case t.Kind == api.Hashtable:
		return "rpc.CodePairs"
	}
	return "(*xdr.Codec)." + codecMethod(t)
}
