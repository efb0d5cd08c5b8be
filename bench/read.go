package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem"

	"github.com/unboot/unboot"
)

const format = `%M %n %U %G %s %t %p\n`

// benchList: all names with their metadata.
func benchList(e *env) ([]row, error) {
	if err := preread(e.share); err != nil {
		return nil, err
	}
	ours, theirs, err := e.pairs(10, e.unbootDoes("find", e.share, "-printf", format),
		e.mounted("find", e.share, func(dir string) (sample, error) { return timed(exec.Command("find", dir, "-printf", format)) }))
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot find IMAGE -printf …`, 57,000 files", ours, "`find -printf` on the loop mount", theirs, 0, 0.6,
		"go test -run '^$' -bench BenchmarkWalk -cpuprofile cpu.out .")}, nil
}

// benchDiskfs: the same as library calls, from opening the image on.
func benchDiskfs(e *env) ([]row, error) {
	if err := preread(e.share); err != nil {
		return nil, err
	}
	ours, theirs, err := e.pairs(3, e.library("walk", e.share), e.library("walk-diskfs", e.share).alone())
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot.Open` and `FS.Walk`, 57,000 files", ours, "go-diskfs v1.9.4, open and walk", theirs, 0, 0.22,
		"go test -run '^$' -bench BenchmarkWalk/plain -cpuprofile cpu.out .")}, nil
}

func walkUnboot(path string) (time.Duration, error) {
	start := time.Now()
	img, err := unboot.Open(context.Background(), path)
	if err != nil {
		return 0, err
	}
	defer img.Close()
	f, err := img.MountAuto()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, err := range f.Walk(".", nil) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return time.Since(start), enough(n)
}

func walkDiskfs(path string) (time.Duration, error) {
	start := time.Now()
	d, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	fsys, err := d.GetFilesystem(0)
	if err != nil {
		return 0, err
	}
	n, err := countDiskfs(fsys, ".")
	if err != nil {
		return 0, err
	}
	return time.Since(start), enough(n)
}

func countDiskfs(fsys filesystem.FileSystem, dir string) (n int, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		if entry.Name() == "." || entry.Name() == ".." {
			continue
		}
		n++
		info, err := entry.Info()
		if err != nil {
			return n, err
		}
		if info.IsDir() {
			path := entry.Name()
			if dir != "." {
				path = dir + "/" + path
			}
			below, err := countDiskfs(fsys, path)
			if n += below; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func enough(n int) error {
	if n < 57000 {
		return fmt.Errorf("only %d files", n)
	}
	return nil
}

// benchCat: a file of 1 GiB.
func benchCat(e *env) ([]row, error) {
	image, err := e.bigImage()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := e.pairs(10, e.unbootDoes("cat", image+":/big"),
		e.mounted("cat", image, func(dir string) (sample, error) { return timed(exec.Command("cat", dir+"/big")) }))
	if err != nil {
		return nil, err
	}
	return []row{compare("`unboot cat` of 1 GiB to /dev/null", ours, "`cat` on the loop mount", theirs, 0, 0.67,
		"perf record -g unboot cat IMAGE:/big >/dev/null")}, nil
}

// benchTar: an archive of 57,000 files. GNU tar does not read files when its output is
// /dev/null, so that it writes to a pipe in both lines.
func benchTar(e *env) ([]row, error) {
	if err := preread(e.share); err != nil {
		return nil, err
	}
	gnu := e.mounted("tar", e.share, func(dir string) (sample, error) {
		return drained(exec.Command("tar", "-C", dir, "-cf", "-", "."))
	})
	const hint = "go test -run '^$' -bench BenchmarkTarOut -cpuprofile cpu.out ./cmd/unboot"
	all, err := e.turns(5, gnu, e.unbootDoes("tar", e.share),
		e.ours("unboot", func(p programs) (sample, error) { return drained(exec.Command(p.unboot, "tar", e.share)) }))
	if err != nil {
		return nil, err
	}
	const against = "GNU tar on the loop mount, to a pipe"
	return []row{
		compare("`unboot tar` of 57,000 files to /dev/null", all[1], against, all[0], 0, 1, hint),
		compare("the same, to a pipe", all[2], against, all[0], 0, 1, hint),
	}, nil
}

// drained runs a command whose output goes through a pipe to this process.
func drained(cmd *exec.Cmd) (sample, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return sample{}, err
	}
	cmd.Stdout = w
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 1<<20))
		done <- err
	}()
	s, err := timed(cmd)
	w.Close()
	if rerr := <-done; err == nil {
		err = rerr
	}
	r.Close()
	return s, err
}
