package appliance

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// bindings are those of Debian's packages. Each runs the same session, which is in
// testdata/bindings: it adds a drive, launches, inspects, mounts, lists, reads, writes,
// fails once, and closes.
var bindings = []struct {
	script  string
	needs   []string // programs
	load    string   // fails if the binding is not there
	command string   // $S is the script, and $I the image
}{
	{"session.py", []string{"python3"}, "/usr/bin/python3 -c 'import guestfs'", "/usr/bin/python3 $S $I"},
	{"session.pl", []string{"perl"}, "perl -MSys::Guestfs -e 1", "perl $S $I"},
	{"session.rb", []string{"ruby"}, "ruby -e 'require \"guestfs\"'", "ruby $S $I"},
	{"session.lua", []string{"lua5.3"}, "lua5.3 -e 'require \"guestfs\"'", "lua5.3 $S $I"},
	{"session.php", []string{"php"}, "php -r 'exit(extension_loaded(\"guestfs_php\") ? 0 : 1);'", "php $S $I 2> >(grep -v 'Missing arginfo' >&2)"},
	{"session.ml", []string{"ocamlc", "gcc"}, "test -e $(ocamlc -where)/guestfs/mlguestfs.cma",
		"cp $S . && ocamlc -I +unix -I +guestfs unix.cma mlguestfs.cma session.ml -o session && ./session $I"},
}

const bindingsDir = "testdata/bindings"

// TestBindings compares what the session prints with what the appliance has answered to
// the first of them, and what it has written with what it says.
func TestBindings(t *testing.T) {
	needLibguestfs(t)
	images := &shelf{dir: t.TempDir()}
	said := filepath.Join(bindingsDir, "appliance.txt")
	if os.Getenv(recordEnv) != "" {
		if os.Getenv(recordEnv) == "bindings" {
			out := runBinding(t, images, 0, real())
			check(t, os.WriteFile(said, []byte(strings.Join(out, "\n")+"\n"), 0o644))
		}
		return
	}
	data, err := os.ReadFile(said)
	check(t, err)
	want := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	env := engine(t)
	for i, b := range bindings {
		t.Run(b.script, func(t *testing.T) {
			t.Parallel()
			if got := runBinding(t, images, i, env); !slices.Equal(got, want) {
				t.Errorf("differs from the output of the appliance:\n%s", strings.Join(changes(want, got), "\n"))
			}
		})
	}
}

// runBinding runs a session, and returns what it prints and then what it has written.
func runBinding(t *testing.T, images *shelf, i int, env []string) []string {
	b := bindings[i]
	testimg.Need(t, b.needs...)
	if exec.Command("sh", "-c", b.load).Run() != nil {
		t.Skipf("no binding: %s", b.load)
	}
	script, err := filepath.Abs(filepath.Join(bindingsDir, b.script))
	check(t, err)
	const dump = "dump disk.img 5 | grep srv/"
	s := &scenario{images: [][3]string{{"copy", "disk.img", "debian"}}, commands: []command{{text: dump}}}
	sh := newShell(t, s, images, append(env, "S="+script, "I=disk.img"))
	return append(sh.run(t, b.command), sh.run(t, dump)...)
}
