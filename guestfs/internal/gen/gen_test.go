package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpToDate checks that what is generated is what is checked in.
func TestUpToDate(t *testing.T) {
	for pkg, flags := range map[string]func(dir string) error{
		"internal/rpc": func(dir string) error { return generate("", output{rpc: dir}) },
		"internal/server": func(dir string) error {
			return generate("../server", output{dispatch: filepath.Join(dir, "dispatch_gen.go")})
		},
		".": func(dir string) error { return generate("", output{binding: dir}) },
	} {
		dir := t.TempDir()
		if err := flags(dir); err != nil {
			t.Fatal(err)
		}
		made, _ := filepath.Glob(filepath.Join(dir, "*"))
		there, _ := filepath.Glob(filepath.Join("../..", pkg, "*_gen*.go"))
		if len(made) == 0 || len(made) != len(there) {
			t.Errorf("%s: %d files are generated, %d are there", pkg, len(made), len(there))
		}
		for _, name := range made {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join("../..", pkg, filepath.Base(name)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s is out of date: go generate ./guestfs/...", pkg, filepath.Base(name))
			}
		}
	}
}

// TestMethodOfNoProcedure finds methods that would answer nothing because their name is
// wrong. Those whose type is wrong do not compile.
func TestMethodOfNoProcedure(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out")
	for method, good := range map[string]bool{"IsFile": true, "Serve": true, "helper": true, "Isfile": false} {
		text := "package server\nfunc (s *Server) " + method + "() {}\n"
		if err := os.WriteFile(filepath.Join(dir, "method.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := generate(dir, output{dispatch: file})
		if good != (err == nil) || !good && !strings.Contains(err.Error(), "Server."+method+" ") {
			t.Errorf("%s: %v", method, err)
		}
	}
}
