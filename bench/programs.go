package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// programCosts are what testdata/calls.c measures.
var programCosts = []struct {
	name, work string
	most       time.Duration
}{
	{"call", "`getppid` from a program", 6 * time.Microsecond},
	{"fault", "a page fault by itself", 8 * time.Microsecond},
	{"faults", "page faults in a row, each", 800 * time.Nanosecond},
	{"spawn", "fork, exec and exit of a static program", 800 * time.Microsecond},
}

// benchProgramCosts: what single calls and faults cost a program of a guest, and one of the host.
func benchProgramCosts(e *env) (rows []row, err error) {
	image, err := testimg.BuildDebianPrograms()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(e.work, "calls")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	bin := filepath.Join(dir, "calls")
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", bin, "testdata/calls.c").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc: %w: %s", err, out)
	}
	ours, theirs := map[string]samples{}, map[string]samples{}
	measure := func(into map[string]samples, argv ...string) error {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(out)) {
			var name string
			var ns int64
			if _, err := fmt.Sscan(line, &name, &ns); err != nil {
				return fmt.Errorf("%s: %q: %w", argv[0], line, err)
			}
			into[name] = append(into[name], sample{wall: time.Duration(ns)})
		}
		return nil
	}
	for range 5 {
		// Not from the host's directory: its program's pages are not what is measured.
		if err := measure(ours, e.unboot, "exec", "-r", image, "--bind", dir+":/mnt:ro", "--",
			"sh", "-c", "cp /mnt/calls /dev/shm && /dev/shm/calls"); err != nil {
			return nil, err
		}
		if err := measure(theirs, bin); err != nil {
			return nil, err
		}
	}
	for _, c := range programCosts {
		rows = append(rows, compare(c.work, ours[c.name], "on the host", theirs[c.name], c.most, 0,
			""))
	}
	return rows, nil
}

// benchProgramMemory: what the processes of a kernel that runs dpkg take of the host's memory,
// each page counted once.
func benchProgramMemory(e *env) ([]row, error) {
	image, err := testimg.BuildDebianPrograms()
	if err != nil {
		return nil, err
	}
	img, err := unboot.Open(context.Background(), image)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- f.Command("dpkg", "-l").Run() }()
	kernel, most := img.Kernel().Pid(), 0
	for {
		kib, err := proportional(append(descendants(os.Getpid()), kernel))
		if err != nil {
			return nil, err
		}
		most = max(most, kib)
		select {
		case err := <-done:
			return []row{{
				work: "memory of the kernel and the processes of programs, `dpkg -l` of a large guest",
				ours: fmt.Sprintf("%.1f MiB", float64(most)/1024), target: "≤ 96 MiB", met: judge(most <= 96<<10),
				hint: "what they map: /proc/PID/smaps",
			}}, err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// descendants returns all processes that a process has started, or that those have.
func descendants(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range lists {
		data, _ := os.ReadFile(path)
		for field := range strings.FieldsSeq(string(data)) {
			var child int
			if _, err := fmt.Sscan(field, &child); err == nil {
				pids = append(append(pids, child), descendants(child)...)
			}
		}
	}
	return pids
}

// proportional sums up the proportional set sizes of processes. One that has ended has none.
func proportional(pids []int) (kib int, err error) {
	seen := map[int]bool{}
	for _, pid := range pids {
		if seen[pid] {
			continue
		}
		seen[pid] = true
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		i := bytes.Index(data, []byte("\nPss:"))
		if i < 0 {
			continue
		}
		var n int
		if _, err := fmt.Sscan(string(data[i+5:]), &n); err != nil {
			return 0, err
		}
		kib += n
	}
	return kib, nil
}

// benchVolumeTools: the tools of the host make a volume group and a file system on an image, by
// libguestfs's shell.
func benchVolumeTools(e *env) ([]row, error) {
	for _, tool := range []string{"guestfish", "lvm", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, err
		}
	}
	image := filepath.Join(e.work, "volumes.img")
	ours := e.ours("unboot", func(p programs) (sample, error) {
		os.Remove(image)
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			return sample{}, err
		}
		if err := os.Truncate(image, 300<<20); err != nil {
			return sample{}, err
		}
		return timed(exec.Command(p.unboot, "run", "--", "guestfish", "-a", image, "run", ":",
			"pvcreate", "/dev/sda", ":", "vgcreate", "vg", "/dev/sda", ":", "lvcreate", "lv", "vg", "100", ":",
			"mkfs", "ext4", "/dev/vg/lv", ":", "mount", "/dev/vg/lv", "/", ":", "write", "/a", "text", ":", "umount", "/", ":",
			"e2fsck", "/dev/vg/lv", "correct:true"))
	})
	a, _, err := e.pairs(7, ours, nil)
	if err != nil {
		return nil, err
	}
	return []row{compare("`guestfish`: pvcreate, vgcreate, lvcreate, mkfs.ext4, mount, write, e2fsck", a, "", nil, time.Second, 0,
		"LIBGUESTFS_TRACE=1 unboot run -- guestfish …")}, nil
}
