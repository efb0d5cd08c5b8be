package guestfs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

const officialPath = "libguestfs.org/guestfs"

// TestPrograms builds programs that were written for the official binding with nothing
// changed but the path that they import, and runs them. Where the official binding can
// be built, too, what it prints on our engine through libguestfs is what is wanted.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	needKernel(t)
	testimg.Need(t, "go")
	ours := buildPrograms(t, oursModule)
	official := ""
	if why := noOfficial(); why != "" {
		t.Log("the official binding is not compared: ", why)
	} else {
		official = buildPrograms(t, officialModule)
	}
	g := create(t)
	direct(t, g)
	env := append(os.Environ(), "LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_HV="+must[string](t)(g.Get_hv()),
		"LIBGUESTFS_PATH="+must[string](t)(g.Get_path()), "LC_ALL=C")
	for name, args := range map[string]func(t *testing.T) []string{
		"disk":  func(t *testing.T) []string { return []string{filepath.Join(t.TempDir(), "disk.img")} },
		"files": func(t *testing.T) []string { return []string{ext4(t)} },
		"survey": func(t *testing.T) []string {
			return []string{testimg.FS(t, "xfs", testimg.Options{Tree: true})}
		},
		"transfer": func(t *testing.T) []string { return []string{ext4(t), t.TempDir()} },
	} {
		t.Run(name, func(t *testing.T) {
			got, complaints := run(t, filepath.Join(ours, name), args(t), os.Environ())
			if complaints != "" {
				t.Errorf("on stderr: %s", complaints)
			}
			if official == "" {
				return
			}
			if want, _ := run(t, filepath.Join(official, name), args(t), env); got != want {
				t.Errorf("ours:\n%s\nofficial:\n%s", got, want)
			}
		})
	}
}

// run returns what a program prints. The official binding says each error on stderr, too.
func run(t *testing.T, program string, args, env []string) (out, complaints string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %v\n%s%s", program, err, b, stderr.Bytes())
	}
	return string(b), stderr.String()
}

// noOfficial says why the official binding cannot be built.
func noOfficial() string {
	if _, err := os.Stat(officialSource); err != nil {
		return "no golang-guestfs-dev"
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return "no gcc"
	}
	if _, err := os.Stat("/usr/include/guestfs.h"); err != nil {
		return "no libguestfs-dev"
	}
	return ""
}

// oneThread is part of each program. libguestfs keeps the last error for each thread:
// the official binding must not be moved to another one after the call that failed, or
// it finds no errno.
const oneThread = `package main

import "runtime"

func init() { runtime.LockOSThread() }
`

// buildPrograms builds the programs in a module of their own and returns where they are.
func buildPrograms(t *testing.T, module func(t *testing.T, dir string) (path string, env []string)) string {
	t.Helper()
	dir := t.TempDir()
	path, env := module(t, dir)
	sources, err := filepath.Glob("testdata/programs/*/main.go")
	if err != nil || len(sources) < 4 {
		t.Fatal(sources, err)
	}
	var dirs []string
	for _, s := range sources {
		text, err := os.ReadFile(s)
		check(t, err)
		name := filepath.Join(dir, filepath.Base(filepath.Dir(s)), "main.go")
		check(t, os.Mkdir(filepath.Dir(name), 0o755))
		dirs = append(dirs, "./"+filepath.Base(filepath.Dir(s)))
		check(t, os.WriteFile(name, bytes.ReplaceAll(text, []byte(officialPath), []byte(path)), 0o644))
		check(t, os.WriteFile(filepath.Join(filepath.Dir(name), "thread.go"), []byte(oneThread), 0o644))
	}
	bin := filepath.Join(dir, "bin")
	check(t, os.Mkdir(bin, 0o755))
	for _, args := range [][]string{append([]string{"vet"}, dirs...), {"build", "-o", bin, "./..."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), append(env, "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return bin
}

// oursModule makes a module that uses this one, without cgo.
func oursModule(t *testing.T, dir string) (path string, env []string) {
	t.Helper()
	root, err := filepath.Abs("..")
	check(t, err)
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	check(t, err)
	_, requirements, _ := strings.Cut(string(text), "\n")
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module programs\n"+requirements+fmt.Sprintf(
		"\nrequire github.com/unboot/unboot v0.0.0\nreplace github.com/unboot/unboot => %s\n", root)), 0o644))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
	return "github.com/unboot/unboot/guestfs", []string{"CGO_ENABLED=0"}
}

// officialModule makes a module with the official binding in it.
func officialModule(t *testing.T, dir string) (path string, env []string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module programs\n\ngo 1.21\n"), 0o644))
	text, err := os.ReadFile(officialSource)
	check(t, err)
	check(t, os.Mkdir(filepath.Join(dir, "guestfs"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "guestfs", "guestfs.go"), text, 0o644))
	return "programs/guestfs", []string{"CGO_ENABLED=1"}
}
