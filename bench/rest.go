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
	const limit = 24 << 10
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
		rows = append(rows, row{
			work: work, ours: fmt.Sprintf("%.1f MiB", float64(kib)/1024), target: "≤ 24 MiB", met: judge(kib <= limit),
			hint: "what it maps: /proc/PID/smaps",
		})
	}
	return rows, nil
}

func peak(pid int) (kib int, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			_, err := fmt.Sscan(rest, &kib)
			return kib, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in /proc/%d/status", pid)
}

// left counts what a program that opens images could leave behind.
type left struct{ processes, descriptors, goroutines, mappings, files int }

func count() left {
	fds, _ := os.ReadDir("/proc/self/fd")
	maps, _ := os.ReadFile("/proc/self/maps")
	files, _ := os.ReadDir(os.TempDir())
	n := left{descriptors: len(fds), goroutines: runtime.NumGoroutine(), mappings: strings.Count(string(maps), "memfd:"), files: len(files)}
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range tasks {
		data, _ := os.ReadFile(path)
		n.processes += len(strings.Fields(string(data)))
	}
	return n
}

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
	if err := open(); err != nil { // what a program keeps for its life
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
