package distro

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// An item is a line of testdata/programs.tsv: a script of sh(1) that uses a program.
type item struct {
	name, pkg string
	free      string // what is not compared: o stdout, e stderr, s status, t tree
	small     bool   // the minimal guest has it
	script    string
}

// readItems reads the list.
func readItems(t *testing.T) (list []item) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range readTable(t, "programs.tsv", 5) {
		if seen[f[0]] || strings.Trim(f[2], "-oest") != "" || f[3] != "small" && f[3] != "whole" {
			t.Fatalf("programs.tsv: %q", f)
		}
		seen[f[0]] = true
		list = append(list, item{f[0], f[1], f[2], f[3] == "small", f[4]})
	}
	return list
}

// readTable reads a file of lines of n fields with tabs between them.
func readTable(t *testing.T, name string, n int) (rows [][]string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != n {
			t.Fatalf("%s: %d fields, want %d: %q", name, len(f), n, line)
		}
		rows = append(rows, f)
	}
	return rows
}

// input returns the files that an item's script finds in its directory: those of
// testdata/input that have its name.
func (it *item) input(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "input", it.name+".*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = data
	}
	return files
}

// known returns the reasons for differences: by the name of an item, and by the path in the
// tree.
func known(t *testing.T) (items, paths map[string]string) {
	t.Helper()
	items, paths = map[string]string{}, map[string]string{}
	for _, f := range readTable(t, "known.tsv", 2) {
		if strings.HasPrefix(f[0], "/") {
			paths[f[0]] = f[1]
		} else {
			items[f[0]] = f[1]
		}
	}
	return items, paths
}
