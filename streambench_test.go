package unboot_test

import (
	"bytes"
	"crypto/sha1"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// BenchmarkStream copies a file of 256 MiB out of an image, which the kernel has
// in its cache or the host has in its own, and into one.
func BenchmarkStream(b *testing.B) {
	const size = 256 << 20
	path := testimg.Writable(b, testimg.FS(b, "ext4", testimg.Options{Size: 700 << 20}))
	content := filepath.Join(b.TempDir(), "content")
	w := must(os.Create(content))
	for i := range size >> 20 {
		must(w.Write(testimg.Pattern(1<<20, uint64(i))))
	}
	w.Close()
	sides := map[string]func(b *testing.B) (io.Writer, func()){
		"writer": func(*testing.B) (io.Writer, func()) { return struct{ io.Writer }{io.Discard}, func() {} },
		"sha1":   func(*testing.B) (io.Writer, func()) { return sha1.New(), func() {} },
		"file": func(b *testing.B) (io.Writer, func()) {
			f := must(os.Create(content + ".out"))
			return f, func() { f.Close() }
		},
		"pipe": func(*testing.B) (io.Writer, func()) {
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				buf := make([]byte, 1<<20)
				for {
					if _, err := r.Read(buf); err != nil {
						break
					}
				}
				r.Close()
				close(done)
			}()
			return w, func() { w.Close(); <-done }
		},
	}
	readers := map[string]func() (io.Reader, func()){
		"reader": func() (io.Reader, func()) {
			f := must(os.Open(content))
			return struct{ io.Reader }{f}, func() { f.Close() }
		},
		"file": func() (io.Reader, func()) {
			f := must(os.Open(content))
			return f, func() { f.Close() }
		},
		"pipe": func() (io.Reader, func()) {
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			go func() {
				f := must(os.Open(content))
				io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, 1<<20))
				f.Close()
				w.Close()
			}()
			return r, func() { r.Close() }
		},
	}
	for name, open := range readers {
		b.Run("in/"+name, func(b *testing.B) {
			img, err := unboot.Open(b.Context(), path, unboot.Writable())
			needKernel(b, err)
			defer img.Close()
			f := must(img.MountAuto())
			b.SetBytes(size)
			for b.Loop() {
				r, end := open()
				w := must(f.Create("big"))
				if n, err := w.ReadFrom(r); err != nil || n != size {
					b.Fatal(n, err)
				}
				w.Close()
				end()
			}
		})
	}
	for how, opts := range map[string][]unboot.Option{"read-only": nil, "writable": {unboot.Writable()}} {
		for name, open := range sides {
			b.Run("out/"+how+"/"+name, func(b *testing.B) {
				img, err := unboot.Open(b.Context(), path, opts...)
				needKernel(b, err)
				defer img.Close()
				f := must(img.MountAuto())
				b.SetBytes(size)
				for b.Loop() {
					w, end := open(b)
					r := must(f.Open("big"))
					if n, err := io.Copy(w, r); err != nil || n != size {
						b.Fatal(n, err)
					}
					r.Close()
					end()
				}
			})
		}
	}
	_ = bytes.MinRead
}
