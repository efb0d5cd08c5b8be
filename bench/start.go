package main

import (
	"context"
	"os/exec"
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
		ours, floor, err := e.pairs(40, e.unbootDoes("ls", image.path+":/"), program("/bin/true"))
		if err != nil {
			return rows, err
		}
		rows = append(rows, compare("`unboot ls IMAGE:/`, whole process, "+image.what, ours, "`/bin/true`", floor,
			4500*time.Microsecond, 0, "strace -f -r unboot ls IMAGE:/"))
	}
	if e.appliance && e.debian != "" {
		if _, err := exec.LookPath("guestfish"); err != nil {
			return rows, err
		}
		ours, theirs, err := e.pairs(1, e.unbootDoes("ls", e.debian+":/"),
			program("guestfish", "--ro", "-a", e.debian, "-m", "/dev/sda1", "ls", "/"))
		if err != nil {
			return rows, err
		}
		rows = append(rows, compare("the same, GPT Debian", ours, "guestfish", theirs, 0, 0, ""))
	}
	return rows, nil
}

// benchInfo: all information about an image, including its operating system.
func benchInfo(e *env) ([]row, error) {
	if e.debian == "" {
		return nil, nil
	}
	if err := preread(e.debian); err != nil {
		return nil, err
	}
	ours, floor, err := e.pairs(40, e.unbootDoes("info", e.debian), program("/bin/true"))
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot info`, whole process, GPT Debian", ours, "`/bin/true`", floor, 0, 0,
		"strace -f -r unboot info IMAGE")}, nil
}

// openFirst opens an image and reads a file: the least that a program waits for that needs
// a single fact about an image.
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
	fresh := e.library("open", e.debian, device, file)
	again := &side{name: "open", run: func() (sample, error) {
		d, err := openFirst(e.debian, device, file)
		return sample{wall: d}, err
	}}
	first, later, err := e.pairs(40, fresh, again)
	if err != nil {
		return nil, err
	}
	const hint = "go test -run '^$' -bench BenchmarkOpenFirstByte -cpuprofile cpu.out ."
	return []row{
		compare("`unboot.Open` to a file's first byte, first in its process", first, "", nil, 2200*time.Microsecond, 0, hint),
		compare("the same, later in the process", later, "", nil, 2200*time.Microsecond, 0, hint),
	}, nil
}
