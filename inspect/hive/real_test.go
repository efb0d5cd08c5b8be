package hive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Hives of real systems cannot be kept here. UNBOOT_TEST_HIVES names some, with
// colons between them.
func TestRealHives(t *testing.T) {
	list := os.Getenv("UNBOOT_TEST_HIVES")
	if list == "" {
		t.Skip("UNBOOT_TEST_HIVES names no hives")
	}
	hivex := hivexTool(t)
	for _, name := range strings.Split(list, ":") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			h, err := Parse(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			before := mustDump(t, h)
			compare(t, "read", before, parseDump(t, hivex(nil, "dump", name)))
			w, err := Parse(data, Write)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d nodes, dirty %q, ordered %v, faults %v", len(before), w.Dirty(), w.edit.ordered, w.Faults())

			root := &model{name: before[0].name}
			at := []*model{root}
			for i, l := range before {
				m := root
				if i > 0 {
					m = &model{name: l.name, parent: at[l.depth-1]}
					m.parent.children = append(m.parent.children, m)
				}
				m.values = l.values
				at = append(at[:l.depth], m)
			}
			r := rand.New(rand.NewPCG(1, 4))
			for range 500 {
				randomEdit(r, root, root.all(), 1<<20).apply(t, w, root)
			}
			path := filepath.Join(t.TempDir(), "hive")
			writeHive(t, w, path)
			after := mustDump(t, w)
			compare(t, "model", after, root.dump(0, nil))
			compare(t, "edited", after, parseDump(t, hivex(nil, "dump", path)))
		})
	}
}
