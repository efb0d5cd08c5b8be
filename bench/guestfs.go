package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/unboot/unboot/guestfs"
)

// benchGuestfs: programs of libguestfs, from Debian's packages, with unboot instead of
// qemu, and on request with libguestfs's own appliance. There it runs without KVM,
// which not every machine has.
func benchGuestfs(e *env) (rows []row, err error) {
	if e.debian == "" {
		return nil, nil
	}
	if err := preread(e.debian); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		what string
		argv []string
		most time.Duration
	}{
		{"`guestfish --ro -a IMAGE run : list-filesystems`", []string{"guestfish", "--ro", "-a", e.debian, "run", ":", "list-filesystems"}, 45 * time.Millisecond},
		{"`virt-cat -a IMAGE /etc/hostname`", []string{"virt-cat", "-a", e.debian, "/etc/hostname"}, 45 * time.Millisecond},
	} {
		if _, err := exec.LookPath(p.argv[0]); err != nil {
			return rows, err
		}
		ours := e.unbootDoes(append([]string{"run", "--"}, p.argv...)...)
		runs, against := 20, (*side)(nil)
		if e.appliance {
			// Some of ours, for the appliance takes half a minute each time.
			runs, against = 1, applianceDoes(p.argv)
		}
		a, b, err := e.pairs(runs, ours, against)
		if err != nil {
			return rows, err
		}
		name := ""
		if e.appliance {
			name = "libguestfs's appliance, emulated"
		}
		rows = append(rows, compare(p.what+", Debian", a, name, b, p.most, 0, "LIBGUESTFS_TRACE=1 strace -f -r unboot run -- …"))
	}
	return rows, nil
}

// onAppliance is what a program has in its environment that libguestfs runs its own appliance for,
// where there is no KVM.
var onAppliance = []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg"}

// applianceDoes is a side that is a program on libguestfs's own appliance.
func applianceDoes(argv []string) *side {
	return &side{name: argv[0] + " on the appliance", run: func() (sample, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), onAppliance...)
		return timed(cmd)
	}}
}

// benchGuestfsGo: the Go package, from launch to the first file.
func benchGuestfsGo(e *env) ([]row, error) {
	if e.debian == "" {
		return nil, nil
	}
	if err := preread(e.debian); err != nil {
		return nil, err
	}
	ours, _, err := e.pairs(40, e.library("guestfs", e.debian, "/dev/sda1", "/etc/hostname"), nil)
	if err != nil {
		return nil, err
	}
	return []row{compare("package guestfs: `Launch` to a file's first byte", ours, "", nil, 20*time.Millisecond, 0,
		"go test -run '^$' -bench BenchmarkFirstRead -cpuprofile cpu.out ./guestfs")}, nil
}

// launchFirst launches a handle and reads a file.
func launchFirst(path, device, file string) (d time.Duration, err error) {
	g, err := guestfs.Create()
	if err != nil {
		return 0, err
	}
	defer g.Close()
	if err := g.Add_drive(path, &guestfs.OptargsAdd_drive{Readonly_is_set: true, Readonly: true, Format_is_set: true, Format: "raw"}); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := g.Launch(); err != nil {
		return 0, err
	}
	if err := g.Mount_ro(device, "/"); err != nil {
		return 0, err
	}
	if b, err := g.Read_file(file); err != nil || len(b) == 0 {
		return 0, fmt.Errorf("%d bytes, %v", len(b), err)
	}
	return time.Since(start), nil
}

// benchDownload: a large file through libguestfs's protocol, by its own library.
func benchDownload(e *env) ([]row, error) {
	image, err := e.bigImage()
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("guestfish"); err != nil {
		return nil, err
	}
	const rate = 400e6 // bytes in a second
	ours, _, err := e.pairs(5, e.unbootDoes("run", "--", "guestfish", "--ro", "--format=raw", "-a", image, "-m", "/dev/sda",
		"download", "/big", "/dev/null"), nil)
	if err != nil {
		return nil, err
	}
	return []row{compare("`guestfish download` of 1 GiB to /dev/null", ours, "", nil, time.Duration((1<<30)/rate*float64(time.Second)), 0,
		"go test -run '^$' -bench BenchmarkDownload -cpuprofile cpu.out ./guestfs")}, nil
}
