package unboot_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// Files carry the time of a clock that stands.
func TestClock(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	f := mount(t, blank(t, "ext4"), unboot.Writable(), unboot.Clock(now))
	if err := f.WriteFile("x", []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	if st := must(f.Stat("x")); !st.ModTime().Equal(now) {
		t.Error(st.ModTime())
	}
}

// With a clock that stands, the same work makes the same bytes, however long
// parts of it take: the kernel is stopped at random moments, and once longer
// than a journal waits before it commits.
func TestClockReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the kernel, most of the time")
	}
	times := 1
	if testimg.Thorough() {
		times = 5
	}
	for _, fstype := range writable {
		t.Run(fstype, func(t *testing.T) {
			empty := testimg.FS(t, fstype, testimg.Options{Size: 320 << 20})
			quiet := hash(t, writeSome(t, empty, func(int, <-chan struct{}) {}))
			for range times {
				if hash(t, writeSome(t, empty, stutter)) != quiet {
					t.Error("two runs differ")
				}
			}
			if fstype == "ext4" && hash(t, writeSome(t, empty, pause)) != quiet {
				t.Error("the image depends on how long it took to write it")
			}
		})
	}
}

// A kernel from the snapshot writes what one that boots writes, byte for byte.
func TestClockSnapshot(t *testing.T) {
	for _, fstype := range writable {
		t.Run(fstype, func(t *testing.T) {
			empty := testimg.FS(t, fstype, testimg.Options{Size: 320 << 20})
			t.Setenv("UNBOOT_BOOT", "1")
			booted := hash(t, writeSome(t, empty, func(int, <-chan struct{}) {}))
			t.Setenv("UNBOOT_BOOT", "")
			if hash(t, writeSome(t, empty, func(int, <-chan struct{}) {})) != booted {
				t.Error("the images differ")
			}
		})
	}
}

// stutter stops a process again and again, for random times.
func stutter(pid int, done <-chan struct{}) {
	for {
		unix.Kill(pid, unix.SIGSTOP)
		time.Sleep(rand.N(10 * time.Millisecond))
		unix.Kill(pid, unix.SIGCONT)
		select {
		case <-time.After(rand.N(10 * time.Millisecond)):
		case <-done:
			return
		}
	}
}

// pause stops a process once.
func pause(pid int, _ <-chan struct{}) {
	time.Sleep(20 * time.Millisecond)
	unix.Kill(pid, unix.SIGSTOP)
	time.Sleep(6 * time.Second)
	unix.Kill(pid, unix.SIGCONT)
}

// writeSome returns a copy of an image to which all kinds of things were done
// while disturb was running, which is given the kernel's process.
func writeSome(t *testing.T, empty string, disturb func(pid int, done <-chan struct{})) string {
	path := testimg.Writable(t, empty)
	img, err := unboot.Open(t.Context(), path, unboot.Writable(), unboot.Clock(time.Unix(1e9, 0)))
	needKernel(t, err)
	f := must(must(img, err).MountAuto())
	done := make(chan struct{})
	var disturber sync.WaitGroup
	disturber.Go(func() { disturb(img.Kernel().Pid(), done) })
	defer func() {
		close(done)
		disturber.Wait()
	}()

	check := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 60 {
		dir := fmt.Sprintf("dir %d", i)
		check(f.Mkdir(dir, 0o755))
		check(f.WriteFile(dir+"/file", testimg.Pattern(i*i*97, uint64(i)), 0o644))
		if i%7 == 3 {
			check(f.Rename(dir+"/file", fmt.Sprintf("dir %d/renamed", i-1)))
		}
		if i%5 == 4 {
			check(f.RemoveAll(fmt.Sprintf("dir %d", i-3)))
		}
		if i == 40 {
			check(f.Sync())
		}
	}
	large := must(f.Create("large")) // more than is kept in memory without writing
	must(large.ReadFrom(bytes.NewReader(testimg.Pattern(100<<20, 1))))
	check(large.Truncate(90 << 20))
	check(large.Close())
	var files []*unboot.NewFile
	for i := range 300 {
		files = append(files, &unboot.NewFile{
			Name:     fmt.Sprintf("small %d", i),
			Metadata: unboot.Metadata{Mode: 0o644, Mtime: time.Unix(1e9, 0)},
			Data:     testimg.Pattern(i*50, uint64(i)),
		})
	}
	for _, err := range f.PutFiles(files) {
		check(err)
	}
	check(img.Close())
	return path
}
