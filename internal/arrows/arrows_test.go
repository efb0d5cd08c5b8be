// Package arrows has the test that imports go one way through the tree, as
// docs/architecture.md draws it.
package arrows

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/unboot/unboot"

// layers are the parts of the tree, from the top down: a package imports those of its own
// layer and of the ones below. The longest name that a path begins with counts. That
// guestfs/internal is for guestfs alone, the compiler sees to.
var layers = [][]string{
	{"cmd"},
	{"guestfs"},
	{"customize", "fusefs", "serve", "sysprep"},
	{"usernet", "internal/netproc"},
	{"internal/treecopy", "internal/desttree"}, // on file systems of package unboot
	{"."},
	{"inspect"},
	{"internal"},
	{"volume"},
	{"disk"},
	{"lkl"},
	{"internal/cause", "internal/compression", "internal/nonzero"}, // need nothing of the project
}

// pure are the layers that know nothing of a kernel: of use alone, and open to fuzzing.
var pure = []string{"disk", "volume", "inspect"}

// forTests are the packages that only tests may import.
var forTests = []string{"disk/internal/imgtest", "fusefs/service/servicetest", "disk/internal/testdisk", "internal/testimg", "internal/testvol", "internal/testguest", "internal/rig", "internal/fsctl/fsctltest", "internal/ftptest", "inspect/internal/testtree", "volume/internal/testdm", "volume/md/mdtest", "test"}

// modules are those of others that packages may import, beside golang.org/x/sys: the
// kernel and the root package stay light, and each dependency has its place.
var modules = map[string][]string{
	"customize":                {"github.com/go-crypt/x"},
	"disk/ftpdisk":             {"github.com/jlaffaye/ftp"},
	"disk/qcow2":               {"github.com/klauspost/compress"},
	"disk/sshdisk":             {"golang.org/x/crypto", "github.com/pkg/sftp"},
	"disk/vmdk":                {"github.com/klauspost/compress"},
	"fusefs":                   {"github.com/hanwen/go-fuse"},
	"inspect/journal":          {"github.com/klauspost/compress", "github.com/therootcompany/xz"},
	"internal/btrfsreceive":    {"github.com/klauspost/compress"},
	"internal/compression":     {"github.com/klauspost/compress", "github.com/therootcompany/xz", "github.com/ulikunitz/xz"},
	"internal/cpio":            {"github.com/klauspost/compress"},
	"internal/filetype":        {"github.com/klauspost/compress"},
	"internal/sectorcipher":    {"golang.org/x/crypto"},
	"internal/netproc":         {"github.com/klauspost/compress"},
	"internal/netproc/pack":    {"github.com/klauspost/compress"},
	"usernet":                  {"gvisor.dev/gvisor"},
	"volume/fvault":            {"golang.org/x/crypto"},
	"volume/internal/argon2":   {"golang.org/x/crypto"},
	"volume/internal/hashfunc": {"golang.org/x/crypto"},
}

// under reports whether a package is one of a tree, or its root.
func under(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }

func underAny(pkg string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return under(pkg, tree) })
}

// layer returns the number of a package's layer, from the top, or -1.
func layer(pkg string) int {
	best, at := "", -1
	for i, l := range layers {
		for _, tree := range l {
			if under(pkg, tree) && len(tree) > len(best) {
				best, at = tree, i
			}
		}
	}
	return at
}

// imports returns what each package of the module imports, without its tests: paths in
// the module, where "." is its root, and those of other modules.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		for i, path := range f {
			if path == module {
				f[i] = "."
			} else {
				f[i] = strings.TrimPrefix(path, module+"/")
			}
		}
		all[f[0]] = f[1:]
	}
	return all
}

// reaches reports whether a package imports another one, at whatever distance.
func reaches(all map[string][]string, pkg, other string) bool {
	return slices.ContainsFunc(all[pkg], func(imp string) bool { return imp == other || reaches(all, imp, other) })
}

// faults returns what is wrong with the imports of a package, in words.
func faults(all map[string][]string, pkg string) (list []string) {
	if layer(pkg) < 0 {
		list = append(list, "it has no place in the layers")
	}
	if underAny(pkg, pure) && reaches(all, pkg, "lkl") {
		list = append(list, "it needs a kernel")
	}
	for _, imp := range all[pkg] {
		_, ours := all[imp]
		host, _, _ := strings.Cut(imp, "/") // with a dot, if it is not the standard library
		switch {
		case !ours && strings.Contains(host, ".") && !under(imp, "golang.org/x/sys") && !underAny(imp, modules[pkg]):
			list = append(list, imp+" is not one of its dependencies")
		case ours && underAny(imp, forTests):
			list = append(list, imp+" is for tests")
		case ours && layer(imp) < layer(pkg):
			list = append(list, imp+" is above it")
		}
	}
	return list
}

func TestArrows(t *testing.T) {
	all := imports(t)
	if len(all) < 20 || len(all["."]) == 0 {
		t.Fatalf("only %d packages", len(all))
	}
	for _, pkg := range slices.Sorted(maps.Keys(all)) {
		if underAny(pkg, forTests) || pkg == "docs" {
			continue
		}
		for _, fault := range faults(all, pkg) {
			t.Errorf("%s: %s", pkg, fault)
		}
	}
	// A row that nothing needs any more hides what comes in its place.
	for pkg, list := range modules {
		for _, m := range list {
			if !slices.ContainsFunc(all[pkg], func(imp string) bool { return under(imp, m) }) {
				t.Errorf("%s does not import %s", pkg, m)
			}
		}
	}
}

// The rules find what they are for.
func TestFaults(t *testing.T) {
	all := map[string][]string{
		"cmd/unboot": {".", "guestfs/hv", "fmt"}, "guestfs/hv": {"."}, ".": {"disk", "lkl", "golang.org/x/sys/unix"},
		"lkl": {"github.com/klauspost/compress/zstd"}, "disk": {"disk/qcow2", "disk/nbd"},
		"disk/qcow2": {"github.com/klauspost/compress/zstd"}, "disk/nbd": {"internal/net"}, "internal/net": {"lkl"},
		"inspect": {".", "internal/testimg"}, "internal/testimg": nil, "stray": nil,
	}
	for pkg, want := range map[string][]string{
		"cmd/unboot": nil, "guestfs/hv": nil, ".": nil, "disk/qcow2": nil,
		"lkl":          {"github.com/klauspost/compress/zstd is not one of its dependencies"},
		"disk":         {"it needs a kernel"},
		"disk/nbd":     {"it needs a kernel", "internal/net is above it"},
		"internal/net": nil,
		"inspect":      {"it needs a kernel", ". is above it", "internal/testimg is for tests"},
		"stray":        {"it has no place in the layers"},
	} {
		if got := faults(all, pkg); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pkg, got, want)
		}
	}
}
