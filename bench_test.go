package unboot_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// From nothing to a file's content, and the end of it: what a program that
// looks at one file of an image waits for.
func BenchmarkOpenReadClose(b *testing.B) {
	for name, image := range map[string]func() string{
		"usrshare": func() string { return testimg.UsrShare(b) },
		"debian":   func() string { return testimg.Debian(b, "ext4") },
	} {
		b.Run(name, func(b *testing.B) {
			path := image()
			for b.Loop() {
				img, err := unboot.Open(context.Background(), path)
				needKernel(b, err)
				if err != nil {
					b.Fatal(err)
				}
				f, err := img.MountAuto()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.ReadDir("."); err != nil {
					b.Fatal(err)
				}
				img.Close()
			}
		})
	}
}

// BenchmarkOpen is the part of it that users wait for before the first byte.
func BenchmarkOpenFirstByte(b *testing.B) {
	path := testimg.Debian(b, "ext4")
	for b.Loop() {
		img, err := unboot.Open(context.Background(), path)
		needKernel(b, err)
		f := must(must(img, err).Mount("/dev/sda1"))
		must(f.ReadFile("etc/hostname"))
		b.StopTimer()
		img.Close()
		b.StartTimer()
	}
}

// A walk with metadata, of a file system that nothing is cached of.
func BenchmarkWalk(b *testing.B) {
	path := testimg.UsrShare(b)
	for name, o := range map[string]*unboot.WalkOptions{
		"plain": nil, "sorted": {Sorted: true}, "all": {Links: true, Xattrs: true},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				img, err := unboot.Open(context.Background(), path)
				needKernel(b, err)
				f := must(must(img, err).MountAuto())
				b.StartTimer()
				n := 0
				for _, err := range f.Walk(".", o) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				b.ReportMetric(float64(n), "files")
				b.StopTimer()
				img.Close()
				b.StartTimer()
			}
		})
	}
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			dir, umount := hostMount(b, path)
			b.StartTimer()
			if out, err := exec.Command("find", dir, "-printf", "%M %n %U %G %s %t %p\n").Output(); err != nil || len(out) == 0 {
				b.Fatal(err)
			}
			b.StopTimer()
			umount()
			b.StartTimer()
		}
	})
}

// BenchmarkRead reads a file of 1 GiB, from the host's page cache.
func BenchmarkRead(b *testing.B) {
	const size = 1 << 30
	path := testimg.Writable(b, testimg.FS(b, "ext4", testimg.Options{Size: 1300 << 20}))
	img, err := unboot.Open(context.Background(), path, unboot.Writable())
	needKernel(b, err)
	f := must(must(img, err).MountAuto())
	w := must(f.Create("big"))
	for range size >> 20 {
		must(w.Write(testimg.Pattern(1<<20, 1)))
	}
	w.Close()
	if err := img.Close(); err != nil {
		b.Fatal(err)
	}
	null := must(os.OpenFile("/dev/null", os.O_WRONLY, 0))
	defer null.Close()
	for name, out := range map[string]io.Writer{"file": null, "writer": struct{ io.Writer }{io.Discard}} {
		b.Run(name, func(b *testing.B) {
			f := mount(b, path)
			b.SetBytes(size)
			for b.Loop() {
				r := must(f.Open("big"))
				if n, err := r.(*unboot.File).WriteTo(out); err != nil || n != size {
					b.Fatal(n, err)
				}
				r.Close()
			}
		})
	}
	b.Run("host", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			dir, umount := hostMount(b, path)
			b.StartTimer()
			if err := exec.Command("cat", dir+"/big").Run(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			umount()
			b.StartTimer()
		}
	})
}

// BenchmarkReadFile reads a small file again and again: a round trip.
func BenchmarkReadFile(b *testing.B) {
	f := mount(b, testimg.FS(b, "ext4", testimg.Options{Tree: true}))
	for b.Loop() {
		must(f.ReadFile("names/plain"))
	}
}

// BenchmarkPut makes small files.
func BenchmarkPut(b *testing.B) {
	f := mount(b, blank(b, "ext4"), unboot.Writable())
	b.SetBytes(2000)
	data := strings.Repeat("x", 2000)
	m := &unboot.Metadata{Mode: 0o644, UID: 1, GID: 2, Size: 2000}
	for i := 0; b.Loop(); i++ {
		name := "f" + strings.Repeat("x", i%7)
		if err := f.Put(name, m, strings.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// hostMount mounts an image with the host's kernel, for a moment.
func hostMount(b *testing.B, image string) (dir string, umount func()) {
	b.Helper()
	testimg.NeedRoot(b)
	dir = b.TempDir()
	if out, err := exec.Command("mount", "-o", "loop,ro", image, dir).CombinedOutput(); err != nil {
		b.Skipf("mount: %v: %s", err, out)
	}
	return dir, func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			b.Fatalf("umount: %v: %s", err, out)
		}
	}
}
