package rig

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/lkl"
)

// A Census counts what a program can leave behind.
type Census struct {
	Goroutines int
	Files      []string // what the descriptors refer to
	Children   []string
	Windows    int      // mappings of the memory shared with a kernel
	Temporary  []string // files of ours in the directory for temporary files
}

// Take counts.
func Take() Census {
	runtime.GC() // what finalizers close is not a leak
	runtime.GC()
	c := Census{Goroutines: runtime.NumGoroutine(), Children: children()}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		// The copy of the kernel that package lkl makes when it has started some stays.
		if target, err := os.Readlink(l); err == nil && !strings.HasPrefix(target, "/memfd:unboot-image ") {
			c.Files = append(c.Files, target)
		}
	}
	slices.Sort(c.Files)
	maps, _ := os.ReadFile("/proc/self/maps")
	c.Windows = strings.Count(string(maps), "memfd:")
	c.Temporary, _ = filepath.Glob(os.TempDir() + "/unboot*")
	return c
}

// children returns the processes whose parent is this one, zombies included.
func children() (list []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, parent int
		var state byte
		end := strings.LastIndexByte(string(data), ')')
		fmt.Sscan(string(data), &pid)
		fmt.Sscanf(string(data[end+1:]), " %c %d", &state, &parent)
		if parent == os.Getpid() {
			list = append(list, string(data[:end+3]))
		}
	}
	return list
}

// More says what there is more of than there was before, or "".
func (c Census) More(before Census) string {
	var more []string
	if c.Goroutines > before.Goroutines {
		more = append(more, fmt.Sprintf("%d goroutines, %d before", c.Goroutines, before.Goroutines))
	}
	if len(c.Files) > len(before.Files) {
		more = append(more, fmt.Sprintf("descriptors %q, before %q", c.Files, before.Files))
	}
	if len(c.Children) > len(before.Children) {
		more = append(more, fmt.Sprintf("processes %q", c.Children))
	}
	if c.Windows > before.Windows {
		more = append(more, fmt.Sprintf("%d windows, %d before", c.Windows, before.Windows))
	}
	if len(c.Temporary) > len(before.Temporary) {
		more = append(more, fmt.Sprintf("files %q", c.Temporary))
	}
	return strings.Join(more, "; ")
}

// Leaked waits a little for what is still ending, and says what there is more
// than before, with all goroutines if there are too many, or "".
func Leaked(before Census) string {
	var more string
	for range 50 {
		if more = Take().More(before); more == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond)
	}
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	return more + "\n" + stacks.String()
}

// Settle boots a kernel once, so that what a program keeps for its life is
// there, and takes the census.
func Settle() Census {
	if k, err := BootContext(context.Background(), &lkl.Config{Programs: lkl.MinPrograms}); err == nil {
		k.StartPrograms()
		k.Close()
	}
	time.Sleep(10 * time.Millisecond)
	return Take()
}

// fuzzing reports whether this is go test -fuzz, which runs the targets in other
// processes, and leaves a goroutine of its own here.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}

// Main is for TestMain: it runs the tests, with a directory for temporary files of
// their own, then fails if they leave something.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "rig-")
	if err == nil {
		err = os.Chmod(dir, 0o777) // of the ordinary users among the tests, too
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("TMPDIR", dir)
	before := Settle()
	code := m.Run()
	if code == 0 && !fuzzing() {
		if more := Leaked(before); more != "" {
			fmt.Fprintln(os.Stderr, "leaked:", more)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
