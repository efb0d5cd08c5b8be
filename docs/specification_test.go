// Package docs checks that the documents say what the source does.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// goTests returns what the tree's tests are called: DIRECTORY.NAME, where the root is
// called unboot, as its package is.
func goTests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what another test has removed meanwhile
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if dir == "." {
			dir = "unboot"
		}
		for _, m := range function.FindAllStringSubmatch(string(data), -1) {
			found[filepath.ToSlash(dir)+"."+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestSpecification: the tests that the specification and the field reports name exist.
func TestSpecification(t *testing.T) {
	text := read(t, "docs/SPECIFICATION.md") + read(t, "docs/field.md")
	tests := goTests(t)
	benchmarks := read(t, "bench/main.go")
	n := 0
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		name := m[1]
		if script, ok := strings.CutPrefix(name, "script "); ok && script != "NAME" {
			n++
			if _, err := os.Stat(filepath.Join(root, "cmd/unboot/testdata/script", script)); err != nil {
				t.Error(err)
			}
		} else if b, ok := strings.CutPrefix(name, "bench "); ok && b != "NAME" {
			n++
			if !strings.Contains(benchmarks, `{"`+b+`", `) {
				t.Errorf("no benchmark is called %q", b)
			}
		} else if regexp.MustCompile(`^[a-z0-9/]+\.(Test|Fuzz|Benchmark|Example)\w*$`).MatchString(name) {
			n++
			if !tests[name] {
				t.Errorf("no test is called %s", name)
			}
		} else if regexp.MustCompile(`^(scripts|kernel|\.ci)/[\w./-]+$`).MatchString(name) {
			n++
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Error(err)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d names were found", n)
	}
}

// TestAllowedCalls: the table of docs/security.md is the list of the filter.
func TestAllowedCalls(t *testing.T) {
	source := read(t, "kernel/arch/lkl/host/sandbox.c")
	_, filter, ok := strings.Cut(source, "struct sock_filter filter[]")
	if !ok {
		t.Fatal("no filter in sandbox.c")
	}
	filter, _, _ = strings.Cut(filter, "};")
	var have []string
	for _, m := range regexp.MustCompile(`RULE_(?:(FUTEX|MMAP)|\w+\(LKL_HOST_(\w+))`).FindAllStringSubmatch(filter, -1) {
		have = append(have, strings.ToLower(m[1])+m[2])
	}
	_, table, ok := strings.Cut(read(t, "docs/security.md"), "|---|---|\n")
	if !ok {
		t.Fatal("no table in security.md")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var said []string
	for line := range strings.Lines(table) {
		if m := regexp.MustCompile("^\\| `(\\w+)`").FindStringSubmatch(line); m != nil {
			said = append(said, m[1])
		}
	}
	slices.Sort(have)
	slices.Sort(said)
	if len(have) == 0 || !slices.Equal(have, said) {
		t.Errorf("the filter allows %v\nsecurity.md says %v", have, said)
	}
}

// TestLinks: what the documents link to in the tree is there.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"/docs/*.md", "/docs/howto/*.md", "/kernel/*.md"} {
		more, _ := filepath.Glob(root + pattern)
		pages = append(pages, more...)
	}
	if len(pages) < 5 {
		t.Fatal(pages)
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(data), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
