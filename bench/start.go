package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot"
)

// benchLs: a whole process that lists the root directory of an image. Beside it stands
// the least that a process costs here.
func benchLs(e *env) (rows []row, err error) {
	for _, image := range []struct{ what, path string }{
		{"57,000-file ext4", e.share},
		{"GPT Debian", e.debian},
	} {
		if image.path == "" {
			continue
		}
		if err := preread(image.path); err != nil {
			return rows, err
		}
		ours, floor, err := e.pairs(40, program("unboot", e.unboot, "ls", image.path+":/"), program("true", "/bin/true"))
		if err != nil {
			return rows, err
		}
		rows = append(rows, compare("`unboot ls IMAGE:/`, whole process, "+image.what, ours, "`/bin/true`", floor,
			10*time.Millisecond, 0, "strace -f -r unboot ls IMAGE:/"))
	}
	if e.appliance && e.debian != "" {
		if _, err := exec.LookPath("guestfish"); err != nil {
			return rows, err
		}
		ours, theirs, err := e.pairs(1, program("unboot", e.unboot, "ls", e.debian+":/"),
			program("guestfish", "guestfish", "--ro", "-a", e.debian, "-m", "/dev/sda1", "ls", "/"))
		if err != nil {
			return rows, err
		}
		rows = append(rows, compare("the same, GPT Debian", ours, "guestfish", theirs, 0, 0, ""))
	}
	return rows, nil
}

// openFirst opens an image and reads a file: what a program that wants to know one
// thing of an image waits for.
func openFirst(path, device, file string) (time.Duration, error) {
	start := time.Now()
	img, err := unboot.Open(context.Background(), path)
	if err != nil {
		return 0, err
	}
	defer img.Close()
	f, err := img.Mount(device)
	if err != nil {
		return 0, err
	}
	if _, err := f.ReadFile(file); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

func benchOpen(e *env) (rows []row, err error) {
	const device, file = "/dev/sda1", "etc/hostname"
	if e.debian == "" {
		return nil, nil
	}
	if err := preread(e.debian); err != nil {
		return nil, err
	}
	fresh := &side{"child open", func() (sample, error) { return e.child("open", e.debian, device, file) }}
	again := &side{"open", func() (sample, error) {
		d, err := openFirst(e.debian, device, file)
		return sample{wall: d}, err
	}}
	first, later, err := e.pairs(40, fresh, again)
	if err != nil {
		return nil, err
	}
	const hint = "go test -run '^$' -bench BenchmarkOpenFirstByte -cpuprofile cpu.out ."
	return []row{
		compare("`unboot.Open` to a file's first byte, first in its process", first, "", nil, 7*time.Millisecond, 0, hint),
		compare("the same, later in the process", later, "", nil, 7*time.Millisecond, 0, hint),
	}, nil
}

// child runs this program as a new process, which measures something by itself.
func (e *env) child(args ...string) (s sample, err error) {
	cmd := exec.Command(e.self, append([]string{"child"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("child %v: %w", args, err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	s.wall = time.Duration(ns)
	s.user, s.sys = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
	return s, err
}

// child is what the new process does.
func child(args []string) error {
	var d time.Duration
	var err error
	switch args[0] {
	case "open":
		d, err = openFirst(args[1], args[2], args[3])
	case "walk":
		d, err = walkUnboot(args[1])
	case "walk-diskfs":
		d, err = walkDiskfs(args[1])
	case "guestfs":
		d, err = launchFirst(args[1], args[2], args[3])
	case "futex":
		return futexChild()
	case "inspect":
		return inspectFleet(args[1])
	default:
		return fmt.Errorf("child %s?", args[0])
	}
	if err != nil {
		return err
	}
	_, err = fmt.Println(d.Nanoseconds())
	return err
}
