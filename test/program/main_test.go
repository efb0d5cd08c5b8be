// Package program tests what programs of a guest see of the kernel: programs in C are compiled
// and run by the host's kernel and by the image's, and say the same.
package program

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) { rig.Main(m) }

// deadline bounds the run of one program.
const deadline = time.Minute

// compile returns the path of a program on the host, linked statically.
func compile(t testing.TB, source string) string {
	t.Helper()
	testimg.Need(t, "gcc")
	out := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), ".c"))
	testimg.MustRun(t, "gcc", "-O1", "-static", "-pthread", "-w", "-fno-strict-aliasing", "-o", out, source)
	return out
}

// A guest is an image that commands are run in.
type guest struct {
	t  testing.TB
	fs *unboot.FS
}

// open makes a guest of busybox and what is put into it afterwards.
func open(t testing.TB, options ...unboot.Option) *guest {
	t.Helper()
	img, err := unboot.Open(t.Context(), testimg.Writable(t, testimg.Busybox(t)), append(options, unboot.Writable())...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "opening", err)
	t.Cleanup(func() { rig.Check(t, "closing", img.Close()) })
	f, err := img.MountOS()
	rig.Check(t, "mounting", err)
	return &guest{t, f}
}

// put copies a file of the host to the same place, or to another one.
func (g *guest) put(from, to string) {
	g.t.Helper()
	b, err := os.ReadFile(from)
	rig.Check(g.t, "reading", err)
	rig.Check(g.t, "making a folder", g.fs.MkdirAll(filepath.Dir(to), 0o755))
	rig.Check(g.t, "writing", g.fs.WriteFile(to, b, 0o755))
}

// run returns what a command has said, and how it has ended.
func (g *guest) run(name string, arg ...string) string {
	g.t.Helper()
	c := g.fs.Command(name, arg...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	timer := time.AfterFunc(deadline, func() { c.Kill() })
	defer timer.Stop()
	if err := c.Run(); err != nil {
		out.WriteString(err.Error() + "\n")
	}
	return out.String()
}

func onHost(t testing.TB, program string, arg ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, arg...)
	c.WaitDelay = time.Second
	timer := time.AfterFunc(deadline, func() { c.Process.Kill() })
	defer timer.Stop()
	out, err := c.CombinedOutput()
	if err != nil {
		out = append(out, err.Error()+"\n"...)
	}
	return string(out)
}

// programs are those of testdata, by name.
func programs(t testing.TB) []string {
	list, err := fs.Glob(os.DirFS("testdata"), "*.c")
	rig.Check(t, "listing", err)
	return list
}
