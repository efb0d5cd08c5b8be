package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/unboot/unboot"
)

// benchMemory: the peak memory of the kernel's process.
func benchMemory(e *env) (rows []row, err error) {
	const most, mostPrivate = 12 << 10, 2 << 10
	for _, all := range []bool{false, true} {
		img, err := unboot.Open(context.Background(), e.share)
		if err != nil {
			return rows, err
		}
		defer img.Close()
		f, err := img.MountAuto()
		if err != nil {
			return rows, err
		}
		work := "memory of the kernel's process (VmHWM), root directory listed"
		if _, err := f.ReadDir("."); err != nil {
			return rows, err
		}
		if all {
			work = "the same, all 57,000 files listed"
			for _, err := range f.Walk(".", nil) {
				if err != nil {
					return rows, err
				}
			}
		}
		kib, err := peak(img.Kernel().Pid())
		if err != nil {
			return rows, err
		}
		private, err := privateMemory(img.Kernel().Pid())
		if err != nil {
			return rows, err
		}
		r := row{work: work, ours: fmt.Sprintf("%.1f MiB, %.1f of its own", float64(kib)/1024, float64(private)/1024), hint: "what it maps: /proc/PID/smaps"}
		if !all {
			r.target = fmt.Sprintf("≤ %d MiB, %d", most>>10, mostPrivate>>10)
			r.met = judge(kib <= most && private <= mostPrivate)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// privateMemory returns what a process has in memory that it shares with no other, in KiB.
func privateMemory(pid int) (int, error) { return memoryField(pid, "smaps_rollup", "Private_Dirty") }

// peak returns the largest resident size that a process has had so far, in KiB.
func peak(pid int) (int, error) { return memoryField(pid, "status", "VmHWM") }

// memoryField returns a number of proc_pid_status(5) or proc_pid_smaps(5).
func memoryField(pid int, file, field string) (kib int, err error) {
	name := fmt.Sprintf("/proc/%d/%s", pid, file)
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, field+":"); found {
			_, err := fmt.Sscan(rest, &kib)
			return kib, err
		}
	}
	return 0, fmt.Errorf("no %s in %s", field, name)
}

// left counts what a program that opens images could leave behind.
type left struct{ processes, descriptors, goroutines, mappings, files int }

// count counts them in this process. Errors count as none: /proc is always there, and the
// difference between two counts is what matters.
func count() left {
	fds, _ := os.ReadDir("/proc/self/fd")
	maps, _ := os.ReadFile("/proc/self/maps")
	files, _ := os.ReadDir(os.TempDir())
	n := left{descriptors: len(fds), goroutines: runtime.NumGoroutine(), mappings: strings.Count(string(maps), "memfd:"), files: len(files)}
	// Each thread has a list of the children that it started.
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range tasks {
		data, _ := os.ReadFile(path)
		n.processes += len(strings.Fields(string(data)))
	}
	return n
}

// over reports whether more of anything is left than before. Less is possible: the runtime
// may have ended a goroutine meanwhile.
func (l left) over(before left) bool {
	return l.processes > before.processes || l.descriptors > before.descriptors ||
		l.goroutines > before.goroutines || l.mappings > before.mappings || l.files > before.files
}

// benchLeaks: 100 images opened and closed.
func benchLeaks(e *env) ([]row, error) {
	open := func() error {
		img, err := unboot.Open(context.Background(), e.share)
		if err != nil {
			return err
		}
		defer img.Close()
		f, err := img.MountAuto()
		if err != nil {
			return err
		}
		_, err = f.ReadDir(".")
		return err
	}
	if err := open(); err != nil { // what a program keeps for its lifetime is not a leak
		return nil, err
	}
	before, start := count(), time.Now()
	for range 100 {
		if err := open(); err != nil {
			return nil, err
		}
	}
	each := time.Since(start) / 100
	after := count()
	for i := 0; i < 20 && after.over(before); i++ {
		time.Sleep(50 * time.Millisecond)
		after = count()
	}
	met := !after.over(before)
	text := "nothing left"
	if !met {
		text = fmt.Sprintf("before %+v, after %+v", before, after)
	}
	return []row{{
		work: "100 images opened, listed and closed in one program (" + show(each) + " each)",
		ours: text, target: "nothing left", met: judge(met), hint: text,
	}}, nil
}
