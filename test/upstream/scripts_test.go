package upstream

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// scriptTime is what a script may take: most are seconds, and a minute on a busy machine.
const scriptTime = 3 * time.Minute

// TestScripts makes the phony guests, and runs the tests that are scripts, or programs in
// C of one file.
func TestScripts(t *testing.T) {
	top := source(t)
	l := readList(t, "testdata/scripts.txt")
	env := environment(t)
	data := guests(t, l, top, env)
	t.Run("run", func(t *testing.T) {
		for _, name := range scripts(t, top) {
			if !l.runs(name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				dir := build(t, top, data)
				sub, command, _ := strings.Cut(name, "/")
				for _, s := range []string{sub, "tests"} {
					copyDir(t, filepath.Join(top, s), filepath.Join(dir, s))
				}
				if source := name + ".c"; path.Ext(name) == "" {
					compile(t, top, filepath.Join(dir, name), source)
				}
				if addsDisks.MatchString(name) {
					const helper = "tests/disks/test-add-disks"
					compile(t, top, filepath.Join(dir, helper), helper+".c")
				}
				args := []string{"./" + command}
				if path.Ext(name) == ".t" {
					args = []string{"perl", command}
				}
				outcome, out := run(filepath.Join(dir, sub), append(slices.Clone(env), harness(dir, sub)...), scriptTime, args...)
				l.did(t, name, outcome, out)
			})
		}
	})
	l.end(t)
}

// addsDisks matches the names of the tests that run the program of another test.
var addsDisks = regexp.MustCompile(`^tests/disks/.*-disks\.sh$`)

// scripts returns the names of the tests.
func scripts(t *testing.T, top string) (names []string) {
	t.Helper()
	for _, pattern := range []string{"fish/test-*.sh", "tests/*/*.sh", "tests/*/*.pl", "tests/*/*.c", "perl/t/*.t"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		rig.Check(t, "glob", err)
		for _, f := range found {
			name, err := filepath.Rel(top, f)
			rig.Check(t, "name", err)
			names = append(names, strings.TrimSuffix(name, ".c"))
		}
	}
	return names
}

// guests has libguestfs's scripts make images of phony guests, and returns a directory
// with them and the rest of the test data.
func guests(t *testing.T, l *list, top string, env []string) string {
	t.Helper()
	dir := build(t, top, "")
	data := filepath.Join(dir, "test-data")
	rig.Check(t, "mkdir", os.Mkdir(data, 0o755))
	for _, name := range []string{"binaries", "blank-disks", "files", "test.iso"} {
		rig.Check(t, "link", os.Symlink(filepath.Join(top, "test-data", name), filepath.Join(data, name)))
	}
	const sub = "test-data/phony-guests"
	here := filepath.Join(dir, sub)
	copyDir(t, filepath.Join(top, sub), here)
	file := rules(t, here)
	env = append(slices.Clone(env), harness(dir, sub)...)
	t.Run("guests", func(t *testing.T) {
		for _, image := range images(t, filepath.Join(here, file)) {
			name := sub + "/" + image
			if !l.runs(name) {
				continue
			}
			t.Run(image, func(t *testing.T) {
				outcome, out := run(here, env, time.Minute, "make", "-f", file, image)
				l.did(t, name, outcome, out)
			})
		}
	})
	return data
}

// images returns what the rules of the phony guests make.
func images(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	rig.Check(t, "read", err)
	_, rest, _ := strings.Cut(string(text), "disk_images =")
	rest, _, _ = strings.Cut(rest, "\n\n")
	return strings.Fields(strings.ReplaceAll(rest, "\\\n", " "))
}

// copyDir copies a tree, without programs in C.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if _, err := os.Stat(to); err == nil {
		return
	}
	testimg.MustRun(t, "cp", "-a", from, to)
	os.Remove(filepath.Join(to, "c-api/tests.c"))
}
