package program

import (
	"strings"
	"testing"
)

// Each program of testdata says the same on both kernels.
func TestPrograms(t *testing.T) {
	g := open(t)
	for _, name := range programs(t) {
		t.Run(strings.TrimSuffix(name, ".c"), func(t *testing.T) {
			path := compile(t, "testdata/"+name)
			in := "/bin/t-" + strings.TrimSuffix(name, ".c")
			g.put(path, in)
			want, got := onHost(t, path), g.run(in)
			compare(t, got, want)
		})
	}
}

// compare tells of the lines that differ.
func compare(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	told := 0
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			if told++; told > 12 {
				t.Fatal("and more")
			}
			t.Errorf("line %d: %q, on the host %q", i+1, a, b)
		}
	}
}
