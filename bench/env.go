package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// An env is what the benchmarks share: the program, the images, a directory.
type env struct {
	programs            // what is measured
	before    *programs // an earlier version to compare with, or nil
	factor    float64   // of the number of runs
	appliance bool
	work      string // directory on a disk, not a tmpfs
	load      string // at the start, before the benchmarks add to it

	share, debian string // images
	images        map[string]string
}

// newEnv builds the images that several benchmarks use, unless they are in the cache of test
// images. Without the Debian image, only the benchmarks that need it are left out.
func newEnv(unboot, before string, factor float64, appliance bool) (e *env, err error) {
	e = &env{factor: factor, appliance: appliance, load: loadAverage(), images: map[string]string{}}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if e.programs, err = findPrograms(unboot, self); err != nil {
		return nil, fmt.Errorf("%w (run make)", err)
	}
	if before != "" {
		p, err := findPrograms(filepath.Join(before, "unboot"), filepath.Join(before, "bench"))
		if err != nil {
			return nil, err
		}
		e.before = &p
	}
	if e.share, err = testimg.BuildUsrShare(); err != nil {
		return nil, err
	}
	if e.debian, err = testimg.BuildDebian("ext4"); err != nil {
		fmt.Fprintln(os.Stderr, "bench: without the Debian image:", err)
	}
	dir, err := testimg.Dir()
	if err != nil {
		return nil, err
	}
	e.work, err = os.MkdirTemp(dir, "bench-")
	return e, err
}

func (e *env) close() { os.RemoveAll(e.work) }

// bigFile returns the host path of a file of 1 GiB that does not compress, so that no file
// system or disk can save work with it.
func (e *env) bigFile() (string, error) {
	path := filepath.Join(e.work, "tree", "big")
	if _, err := os.Stat(path); err == nil {
		return path, preread(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for i := range uint64(1024) {
		if _, err := f.Write(testimg.Pattern(1<<20, i)); err != nil {
			return "", err
		}
	}
	// Otherwise the host would write it back while something is measured.
	return path, f.Sync()
}

// bigImage returns an ext4 image with that file in it.
func (e *env) bigImage() (string, error) {
	big, err := e.bigFile()
	if err != nil {
		return "", err
	}
	return e.image("big.img", func(out string) error {
		return mke2fs(out, 1300<<20, "-d", filepath.Dir(big))
	})
}

// blankImage returns an empty ext4 image of 3 GiB, of which each run takes a copy. Its inode
// tables and journal are initialized, which the kernel would otherwise do in a thread while
// a side is measured.
func (e *env) blankImage() (string, error) {
	return e.image("blank.img", func(out string) error {
		return mke2fs(out, 3<<30, "-E", "lazy_itable_init=0,lazy_journal_init=0")
	})
}

// image returns an image by its name, and makes it if this run has not done so yet. Its data
// is in the page cache and on the disk then.
func (e *env) image(name string, make func(out string) error) (string, error) {
	if path := e.images[name]; path != "" {
		return path, preread(path)
	}
	path := filepath.Join(e.work, name)
	if err := make(path); err != nil {
		return "", err
	}
	e.images[name] = path
	return path, settle(path)
}

func mke2fs(out string, size int64, args ...string) error {
	if err := os.WriteFile(out, nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(out, size); err != nil {
		return err
	}
	_, err := testimg.Run("mke2fs", append(append([]string{"-q", "-F", "-t", "ext4"}, args...), out)...)
	return err
}

// settle writes a file and the rest of its file system to the disk, so that no run waits
// for what was written before it.
func settle(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// preread has the host read the data of an image into its page cache. Holes are skipped:
// reading them would fill the cache with zeros.
func preread(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil
		} else if err != nil {
			return err
		}
		if off, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE); err != nil {
			return err
		}
		r := io.NewSectionReader(f, start, off-start)
		// The structs hide other methods, with which the copy would not use this
		// buffer.
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
			return err
		}
	}
}

// loopMount mounts an image with the host's kernel. Nothing of its file system is cached
// then, while its blocks are, as for the other side.
func (e *env) loopMount(image, options string) (dir string, umount func() error, err error) {
	dir, err = os.MkdirTemp(e.work, "mnt-")
	if err != nil {
		return "", nil, err
	}
	if out, err := exec.Command("mount", "-o", "loop,"+options, image, dir).CombinedOutput(); err != nil {
		os.Remove(dir)
		return "", nil, fmt.Errorf("mount: %w: %s", err, bytes.TrimSpace(out))
	}
	return dir, func() error {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("umount: %w: %s", err, bytes.TrimSpace(out))
		}
		return os.Remove(dir)
	}, nil
}

// mounted is a side that works on the host's mount of an image, read-only. Mounting needs
// root: without it, the line has no such side.
func (e *env) mounted(name, image string, work func(dir string) (sample, error)) *side {
	if os.Geteuid() != 0 {
		return nil
	}
	return &side{name: name, run: func() (s sample, err error) {
		dir, umount, err := e.loopMount(image, "ro")
		if err != nil {
			return s, err
		}
		defer func() {
			if uerr := umount(); err == nil {
				err = uerr
			}
		}()
		return work(dir)
	}}
}

func loadAverage() string {
	data, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(data), " ")
	return one
}
