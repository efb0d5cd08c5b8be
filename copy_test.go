package unboot_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

type readerFunc func(p []byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// Copies inside one image that wait for each other, more than it has memory to
// share for.
func TestCopiesThroughPipes(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	data := testimg.Pattern(20<<20, 5)
	const copies = 8
	var all sync.WaitGroup
	for i := range copies {
		from, to := fmt.Sprint("from", i), fmt.Sprint("to", i)
		if err := f.WriteFile(from, data, 0o644); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			src, dst := must(f.Open(from)), must(f.Create(to))
			defer src.Close()
			defer dst.Close()
			r, w := io.Pipe()
			go func() {
				z := must(gzip.NewWriterLevel(w, gzip.BestSpeed))
				_, err := io.Copy(z, src)
				w.CloseWithError(errors.Join(err, z.Close()))
			}()
			if i%2 == 0 {
				z, err := gzip.NewReader(r)
				if err == nil {
					_, err = dst.ReadFrom(z)
				}
				if err != nil {
					t.Error(err)
				}
			} else if _, err := dst.ReadFrom(r); err != nil {
				t.Error(err)
			}
			r.Close()
		})
	}
	all.Wait()
	for i := range copies {
		got, err := f.ReadFile(fmt.Sprint("to", i))
		if i%2 == 1 {
			got = must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(got)))))
		}
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("copy %d: %d bytes, %v", i, len(got), err)
		}
	}
}

// Copies whose other side is stuck keep no other caller from using the image.
func TestStuckCopies(t *testing.T) {
	for name, opts := range map[string][]unboot.Option{"writable": {unboot.Writable()}, "read-only": nil} {
		t.Run(name, func(t *testing.T) {
			image, content := streamImage(t, "ext4")
			f := mount(t, image, opts...)
			l := must(net.Listen("unix", filepath.Join(t.TempDir(), "s")))
			defer l.Close()
			release := make(chan struct{})
			var stuck, ready sync.WaitGroup
			var ends []io.Closer
			for i := range 18 {
				src := must(f.Open("file"))
				var w io.Writer
				var once sync.Once
				ready.Add(1)
				switch i % 3 {
				case 0:
					n := 0
					w = writerFunc(func(p []byte) (int, error) {
						if n += len(p); n > 3<<20 {
							once.Do(ready.Done)
							<-release
						}
						return len(p), nil
					})
				case 1:
					pr, pw := must2(os.Pipe())
					must(io.CopyN(pw, bytes.NewReader(content), 1<<16)) // full
					w, ends = pw, append(ends, pr, pw)
					ready.Done()
				default:
					w = must(net.Dial("unix", l.Addr().String()))
					ends = append(ends, w.(io.Closer), must(l.Accept()))
					ready.Done()
				}
				stuck.Go(func() {
					io.Copy(w, src)
					src.Close()
				})
			}
			for i := range 6 * (len(opts) & 1) {
				dst := must(f.Create(fmt.Sprint("stuck", i)))
				ready.Add(1)
				n := 0
				var once sync.Once
				stuck.Go(func() {
					io.Copy(dst, readerFunc(func(p []byte) (int, error) {
						if n += len(p); n > 4<<20 {
							once.Do(ready.Done)
							<-release
							return 0, io.EOF
						}
						return len(p), nil
					}))
					dst.Close()
				})
			}
			ready.Wait()
			var got bytes.Buffer
			src := must(f.Open("file"))
			if _, err := io.Copy(&got, src); err != nil || !bytes.Equal(got.Bytes(), content) {
				t.Errorf("another copy: %d bytes, %v", got.Len(), err)
			}
			src.Close()
			buf, err := f.View().Kernel().Alloc(8 << 20)
			if err != nil {
				t.Error(err)
			}
			buf.Free()
			if len(opts) > 0 {
				dst := must(f.Create("small"))
				if n, err := io.Copy(dst, strings.NewReader("ten bytes!")); n != 10 || err != nil {
					t.Error(n, err)
				}
				dst.Close()
			}
			close(release)
			for _, c := range ends {
				c.Close()
			}
			stuck.Wait()
		})
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// Whatever a reader or writer does with the file that is being copied, it sees
// what it would see of an os.File.
func TestCopyUsesFile(t *testing.T) {
	content := testimg.Pattern(100_000, 3)
	for name, do := range map[string]func(f, other file) string{
		"itself":         func(f, _ file) string { return says(io.Copy(f, f)) },
		"some of itself": func(f, _ file) string { return says(io.Copy(f, io.LimitReader(f, 5))) },
		"more of itself": func(f, _ file) string { return says(io.Copy(f, io.LimitReader(io.LimitReader(f, 50_000), 60_000))) },
		"the reader asks where the destination is": func(f, _ file) string {
			var at []int64
			r := strings.NewReader("0123456789abcdef")
			n, err := io.Copy(f, readerFunc(func(p []byte) (int, error) {
				at = append(at, must(f.Seek(0, io.SeekCurrent)))
				return r.Read(p[:min(len(p), 5)])
			}))
			return says(n, err) + fmt.Sprint(at)
		},
		"the reader moves the destination": func(f, _ file) string {
			i := 0
			return says(io.Copy(f, readerFunc(func(p []byte) (int, error) {
				if i++; i == 3 || i == 6 {
					f.Seek(int64(i)*1000, io.SeekStart)
				}
				if i == 8 {
					return copy(p, "last"), io.ErrNoProgress
				}
				return copy(p, fmt.Sprint("piece ", i)), nil
			})))
		},
		"the reader moves the destination, of much": func(f, _ file) string {
			i, size := 0, 0
			n, err := io.Copy(f, readerFunc(func(p []byte) (int, error) {
				i++
				if i%700 == 0 {
					f.Seek(int64(i)*111, io.SeekStart)
				}
				if size > 5<<20 {
					return 0, io.EOF
				}
				n := copy(p, content[i:][:4096]) // whatever it is asked for
				size += n
				return n, nil
			}))
			return says(n, err)
		},
		"the reader writes to the destination": func(f, _ file) string {
			i := 0
			return says(io.Copy(f, readerFunc(func(p []byte) (int, error) {
				if i++; i%2 == 1 {
					f.Write([]byte("between"))
				}
				if i == 5 {
					return 0, io.EOF
				}
				return copy(p, "piece"), nil
			})))
		},
		"the reader fails": func(f, _ file) string {
			i := 0
			return says(io.Copy(f, readerFunc(func(p []byte) (int, error) {
				if i++; i == 4 {
					return copy(p, "end"), io.ErrNoProgress
				}
				return copy(p, "abcdefgh"), nil
			})))
		},
		"the reader panics": func(f, _ file) (s string) {
			defer func() { s = fmt.Sprint(recover(), must(f.Write([]byte("on")))) }()
			i := 0
			n, err := io.Copy(f, readerFunc(func(p []byte) (int, error) {
				if i++; i == 800 {
					panic("the reader's")
				}
				return copy(p, content[i*100:][:4096]), nil
			}))
			return says(n, err)
		},
		"the writer panics": func(f, _ file) (s string) {
			defer func() { s = fmt.Sprint(recover(), must(f.Seek(0, io.SeekStart))) }()
			return says(io.Copy(writerFunc(func(p []byte) (int, error) { panic("the writer's") }), f))
		},
		"the writer moves the source": func(f, _ file) string {
			i := 0
			sum := crc32.NewIEEE()
			n, err := io.Copy(writerFunc(func(p []byte) (int, error) {
				if i < 20 && must(f.Seek(0, io.SeekCurrent)) == int64(len(content)) {
					i++
					f.Seek(int64(-5-i), io.SeekEnd)
				}
				return sum.Write(p)
			}), f)
			return says(n, err) + fmt.Sprint(sum.Sum32())
		},
		"the writer says too much": func(f, _ file) string {
			n, err := io.Copy(writerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), f)
			f.Seek(0, io.SeekStart) // from where it was depends on how much w was given
			return fmt.Sprint(n, err)
		},
		"to the end by another": func(f, other file) string {
			other.Seek(0, io.SeekEnd)
			return says(io.Copy(other, io.LimitReader(f, 1000)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			asHost(t, func(t *testing.T, tr tree) string {
				if err := tr.WriteFile("a", content, 0o644); err != nil {
					t.Fatal(err)
				}
				f, other := must(tr.open("a", os.O_RDWR)), must(tr.open("a", os.O_RDWR))
				said := do(f, other)
				pos, err := f.Seek(0, io.SeekCurrent)
				f.Close()
				other.Close()
				data := must(tr.ReadFile("a"))
				return fmt.Sprint(said, "; at ", pos, err, ", ", len(data), " bytes ", crc32.ChecksumIEEE(data))
			})
		})
	}
}

func says(n int64, err error) string {
	if err == io.ErrNoProgress {
		return fmt.Sprint(n, err)
	}
	return fmt.Sprint(n, kind(err))
}

// Copies from a to b and from b to a, and between three in a ring.
func TestCopiesCrosswise(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	var files []file
	for i := range 3 {
		name := fmt.Sprint(i)
		if err := f.WriteFile(name, testimg.Pattern(1<<20, uint64(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, must(f.OpenFile(name, os.O_RDWR, 0)))
	}
	for range 20 {
		var all sync.WaitGroup
		for i := range files {
			for _, j := range []int{(i + 1) % 3, (i + 2) % 3} {
				all.Go(func() {
					if _, err := io.Copy(files[i], io.LimitReader(files[j], 300_000)); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					files[i].Seek(0, io.SeekStart)
					if err := files[i].Truncate(1 << 20); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
	}
	for _, c := range files {
		c.Close()
	}
}

// An error that comes together with data, however much that is.
func TestReaderErrorWithData(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	bad := errors.New("bad")
	for _, size := range []int{1, 4096, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2 << 20, 3 << 20} {
		data := testimg.Pattern(size, 1)
		failing := func() io.Reader {
			return iotest.DataErrReader(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(bad)))
		}
		w := must(f.Create("copy"))
		n, err := io.Copy(w, failing())
		w.Close()
		if got, rerr := f.ReadFile("copy"); n != int64(size) || err != bad || rerr != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes copied: %d, %v; then there are %d, %v", size, n, err, len(got), rerr)
		}
		if err := f.Put("put", &unboot.Metadata{Mode: 0o644, Size: int64(size)}, failing()); !errors.Is(err, bad) {
			t.Errorf("%d bytes put: %v", size, err)
		}
		ended := iotest.DataErrReader(bytes.NewReader(data))
		if err := f.Put("whole", &unboot.Metadata{Mode: 0o644}, ended); err != nil {
			t.Errorf("%d bytes put: %v", size, err)
		}
		if got, err := f.ReadFile("whole"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes put: %d, %v", size, len(got), err)
		}
	}
}

// The offset is what an os.File's is.
func TestOffset(t *testing.T) {
	big := testimg.Pattern(3<<20, 1)
	asHost(t, func(t *testing.T, tr tree) (said string) {
		if err := tr.WriteFile("a", []byte("hello world"), 0o644); err != nil {
			t.Fatal(err)
		}
		f := must(tr.open("a", os.O_RDWR|os.O_APPEND))
		defer f.Close()
		at := func(what string, n any, err error) {
			pos, perr := f.Seek(0, io.SeekCurrent)
			said += fmt.Sprintf("\n%s: %v %s, at %d %s", what, n, kind(err), pos, kind(perr))
		}
		p := make([]byte, 3)
		read := func(what string) {
			n, err := f.Read(p)
			at(what, string(p[:n]), err)
		}
		read("read")
		n, err := f.Write([]byte("XX"))
		at("append", n, err)
		read("read at the end")
		f.Seek(1, io.SeekStart)
		n, err = f.Write(nil)
		at("append nothing", n, err)
		read("read from 1")
		f.Seek(1, io.SeekStart)
		n64, err := f.ReadFrom(bytes.NewReader(big))
		at("append much", n64, err)
		pos, err := f.Seek(-5, io.SeekCurrent)
		at("back", pos, err)
		n64, err = io.Copy(io.Discard, f)
		at("copy the rest", n64, err)
		n, err = f.Write([]byte("end"))
		at("append", n, err)
		pos, err = f.Seek(1<<62, io.SeekCurrent)
		at("too far", pos, err)
		list, err := f.ReadDir(-1)
		at("read it as a directory", len(list), err)
		pos, err = f.Seek(3, io.SeekStart)
		at("then seek", pos, err)
		read("then read")
		return said
	})
}
