package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// How many processes of the host a kernel has for its programs at most: LKL_STUBS of
// kernel/arch/lkl/include/asm/stub.h, and the spawner.
const maxStubs = 64 + 1

// TestProgramLimits: programs that take all they can are kept within limits, and what comes
// after them finds the kernel as it was.
func TestProgramLimits(t *testing.T) {
	image := guestImage(t)
	for _, l := range []struct {
		name, script string
		change       func(c *unboot.Cmd)
		check        func(t *testing.T, out string, err error)
	}{
		{"fork bomb", `f() { f | f & }; f; sleep 3; kill -9 -1`, nil, nil},
		{"memory", `x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done`, nil, func(t *testing.T, out string, err error) {
			if err == nil {
				t.Error("memory has no end")
			}
		}},
		{"disk", `yes > /tmp/full; sync; rm /tmp/full`, nil, func(t *testing.T, out string, err error) {
			if !strings.Contains(out, "No space left on device") {
				t.Errorf("the disk does not fill: %q, %v", out, err)
			}
		}},
		{"processor time", `while :; do :; done`, func(c *unboot.Cmd) { c.CPUTime = time.Second }, func(t *testing.T, out string, err error) {
			var exit *unboot.ExitError
			if !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL && exit.Signal() != syscall.SIGXCPU {
				t.Errorf("after its time: %v", err)
			}
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			g := openGuest(t, testimg.Writable(t, image))
			c := g.fs.CommandContext(g.ctx, "/bin/sh", "-c", l.script)
			if l.change != nil {
				l.change(c)
			}
			done := make(chan int)
			go func() {
				most := 0
				for {
					select {
					case done <- most:
						return
					case <-time.After(200 * time.Millisecond):
						most = max(most, len(stubsOf(g.img.Kernel().Pid())))
					}
				}
			}()
			out, err := c.CombinedOutput()
			most := <-done
			t.Logf("%.300q, %v; %d processes of the host", out, err, most)
			if g.ctx.Err() != nil {
				t.Fatal("it did not end")
			}
			if most > maxStubs {
				t.Errorf("%d processes of the host", most)
			}
			if l.check != nil {
				l.check(t, string(out), err)
			}
			if out, err := g.fs.CommandContext(g.ctx, "/bin/echo", "a").Output(); string(out) != "a\n" {
				t.Errorf("afterwards: %q, %v", out, err)
			}
			g.close(false)
		})
	}
}

// TestProgramIgnoresSignals: a program that ignores what it can is ended by its context, and
// by that of the image.
func TestProgramIgnoresSignals(t *testing.T) {
	const script = `trap "" 1 2 3 13 14 15; echo ready; while :; do sleep 1; done`
	g := openGuest(t, guestImage(t))
	ctx, cancel := context.WithTimeout(g.ctx, 300*time.Millisecond)
	defer cancel()
	var exit *unboot.ExitError
	if err := g.fs.CommandContext(ctx, "/bin/sh", "-c", script).Run(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
		t.Errorf("after its time: %v", err)
	}
	g.close(false)

	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	img, err := unboot.Open(ctx, g.path, unboot.Writable())
	rig.Check(t, "open", err)
	defer img.Close()
	tree, err := img.Mount("/dev/sda")
	rig.Check(t, "mount", err)
	c := tree.Command("/bin/sh", "-c", script)
	rig.Check(t, "start", c.Start())
	pid := img.Kernel().Pid()
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := c.Wait(); err == nil {
		t.Error("it has outlived its image")
	}
	img.Close()
	if left := append(stubsOf(pid), pid); alive(pid) {
		t.Errorf("left: %v", fmt.Sprint(left))
	}
}
