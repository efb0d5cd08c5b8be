package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/unboot/unboot/internal/testimg"
)

// onCopy runs work with a copy of an empty image, when nothing else is being written to the
// disk any more. Both sides are measured until their data is on the disk: unboot has synced
// it when its process ends, and the host's tools are asked to.
func (e *env) onCopy(work func(image string) (sample, error)) (s sample, err error) {
	blank, err := e.blankImage()
	if err != nil {
		return s, err
	}
	return e.onCopyOf(blank, work)
}

// onCopyOf is onCopy with another image.
func (e *env) onCopyOf(from string, work func(image string) (sample, error)) (s sample, err error) {
	image := filepath.Join(e.work, "copy.img")
	defer os.Remove(image)
	if err := testimg.Copy(from, image); err != nil {
		return s, err
	}
	if err := settle(image); err != nil {
		return s, err
	}
	return work(image)
}

// unbootOnCopy is a side that is one command of unboot, whose last argument is a path in
// such a copy, with a file as its standard input.
func (e *env) unbootOnCopy(input string, args ...string) *side {
	return e.ours("unboot", func(p programs) (sample, error) {
		return e.onCopy(func(image string) (sample, error) {
			argv := append([]string{p.unboot}, args...)
			argv[len(argv)-1] = image + ":" + argv[len(argv)-1]
			return from(input, argv...)
		})
	})
}

// onMountedCopy is a side that works on such a copy, mounted by the host's kernel. Mounting
// and unmounting are not measured. Without root there is no such side.
func (e *env) onMountedCopy(name string, work func(dir string) (sample, error)) *side {
	if os.Geteuid() != 0 {
		return nil
	}
	return &side{name: name, run: func() (sample, error) {
		return e.onCopy(func(image string) (sample, error) { return e.onLoop(image, work) })
	}}
}

// onMountedCopyOf is onMountedCopy with another image.
func (e *env) onMountedCopyOf(from, name string, work func(dir string) (sample, error)) *side {
	if os.Geteuid() != 0 {
		return nil
	}
	return &side{name: name, run: func() (sample, error) {
		return e.onCopyOf(from, func(image string) (sample, error) { return e.onLoop(image, work) })
	}}
}

// onLoop works on an image that the host's kernel mounts for writing.
func (e *env) onLoop(image string, work func(dir string) (sample, error)) (s sample, err error) {
	dir, umount, err := e.loopMount(image, "rw")
	if err != nil {
		return s, err
	}
	defer func() {
		if uerr := umount(); err == nil {
			err = uerr
		}
	}()
	return work(dir)
}

// from runs a command with a file as its standard input.
func from(path string, argv ...string) (sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return sample{}, err
	}
	defer f.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stderr = f, os.Stderr
	return timed(cmd)
}

// benchWrite: a file of 1 GiB, onto the disk.
func benchWrite(e *env) ([]row, error) {
	big, err := e.bigFile()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := e.pairs(5,
		e.unbootOnCopy(big, "write", "/big"),
		e.onMountedCopy("dd", func(dir string) (sample, error) {
			return from(big, "dd", "of="+dir+"/big", "bs=1M", "conv=fsync", "status=none")
		}))
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot write` of 1 GiB, to stable storage", ours, "`dd conv=fsync` on the loop mount", theirs, 0, 1,
		"strace -f -c unboot write IMAGE:/big <big")}, nil
}

// benchUnpack: an archive of 57,000 files, onto the disk.
func benchUnpack(e *env) ([]row, error) {
	archive := filepath.Join(e.work, "share.tar")
	cmd := exec.Command(e.unboot, "tar", "-o", archive, e.share)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	defer os.Remove(archive)
	ours, theirs, err := e.pairs(3,
		e.unbootOnCopy(archive, "tar", "-x", "/"),
		e.onMountedCopy("tar", func(dir string) (sample, error) {
			return from(archive, "sh", "-c", `tar -C "$0" -xf - && sync -f "$0"`, dir)
		}))
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot tar -x` of 57,000 files, to stable storage", ours, "GNU tar and `sync -f` on the loop mount", theirs, 0, 1,
		"go test -run '^$' -bench BenchmarkTarIn -cpuprofile cpu.out ./cmd/unboot")}, nil
}
