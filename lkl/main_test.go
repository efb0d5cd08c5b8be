package lkl

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case "unboot-kernel":
		fakeMain()
	case "unboot-stub":
		fakeStub()
	}
	spawner() // which stays, as the image does
	vmlinux.Open()
	vmlinux.Stub()
	before := descriptors()
	for fd := range before { // what a shell left open is not ours to answer for
		if n, _ := strconv.Atoi(fd); n > 2 {
			unix.CloseOnExec(n)
		}
	}
	code := m.Run()
	if code == 0 {
		if leak := leaks(before); leak != "" {
			fmt.Fprintln(os.Stderr, "left behind:", leak)
			code = 1
		}
	}
	os.Exit(code)
}

// leaks says what tests have left, after a while to go away.
func leaks(before map[string]string) string {
	var leak string
	for range 50 {
		leak = ""
		for fd, to := range descriptors() {
			if before[fd] == to || strings.HasPrefix(to, "anon_inode:[event") || strings.HasPrefix(to, "/memfd:unboot-image ") {
				continue // the runtime's poller, and the kernel's copy for many starts
			}
			leak += fmt.Sprintf("\n\tdescriptor %s: %s", fd, to)
		}
		maps, _ := os.ReadFile("/proc/self/maps")
		if n := strings.Count(string(maps), "memfd:unboot-window"); n > 0 {
			leak += fmt.Sprintf("\n\t%d windows", n)
		}
		if kids, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())); len(kids) > 0 {
			leak += "\n\tchildren: " + string(kids)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, g := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(g, "unboot/lkl.") && !strings.Contains(g, "lkl.leaks") && !strings.Contains(g, "lkl.init.func") && !strings.Contains(g, "lkl.init.OnceValue") {
				leak += "\n\tgoroutine: " + g
			}
		}
		if leak == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	return leak
}

func descriptors() map[string]string {
	all := make(map[string]string)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			all[fd.Name()] = to
		}
	}
	return all
}

// bootFake boots the fake kernel, and kills it when the test is over.
func bootFake(t testing.TB, cfg *Config) *Kernel {
	t.Helper()
	k, err := tryFake(t, context.Background(), cfg)
	if err != nil {
		t.Fatalf("boot: %+v", err)
	}
	t.Cleanup(k.Kill)
	return k
}

func tryFake(t testing.TB, ctx context.Context, cfg *Config) (*Kernel, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(vmlinux.Variable, exe)
	return Boot(ctx, cfg)
}

// bootReal boots a real kernel.
func bootReal(t testing.TB, cfg *Config) *Kernel {
	t.Helper()
	k, err := Boot(context.Background(), cfg)
	if err == ErrNoKernel {
		t.Skip(err)
	} else if err != nil {
		t.Fatalf("boot: %+v", err)
	}
	t.Cleanup(k.Kill)
	return k
}
