// Package imgtest tests image formats that are written to: random programs of writes by
// this project and by QEMU in turn, and writers that are killed.
package imgtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

var ctx = context.Background()

// allowAll allows all files that an image names.
func allowAll(disk.Reference) error { return nil }

// Open opens an image of a format, with all files that it names.
func Open(t testing.TB, format, path string, writable bool) disk.Device {
	t.Helper()
	d, err := source.Open(ctx, path, source.Options{Writable: writable, Format: format, Allow: allowAll})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TryOpen is Open for reading, of what may fail.
func TryOpen(format, path string) (disk.Device, error) {
	return source.Open(ctx, path, source.Options{Format: format, Allow: allowAll})
}

// A Program writes to an image at random. Content is what the disk is to have.
type Program struct {
	Format  string
	Path    string
	Content []byte
	Rand    *rand.Rand
	Unit    int64 // of allocation, for writes that begin or end with one
}

// New returns a program with a seed, for an image that has content.
func New(format, path string, content []byte, unit int64, seed uint64) *Program {
	return &Program{format, path, content, rand.New(rand.NewPCG(seed, 1)), unit}
}

// Run has both sides write in turn, and compares what they read.
func (p *Program) Run(t *testing.T, rounds int) {
	t.Helper()
	for range rounds {
		if p.Rand.IntN(2) == 0 {
			p.ours(t)
		} else {
			p.qemus(t)
		}
		p.Compare(t)
		if t.Failed() {
			return
		}
	}
}

// RunOurs has this project write, and compares what it reads, for what QEMU does not have.
func (p *Program) RunOurs(t *testing.T, rounds int) {
	t.Helper()
	for range rounds {
		p.ours(t)
		d := Open(t, p.Format, p.Path, false)
		p.compareWith(t, d)
		testdisk.CheckExtents(t, d, p.Content)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// span returns a part of the disk.
func (p *Program) span() (off, n int64) {
	size := int64(len(p.Content))
	n = (1 + p.Rand.Int64N(min(size, 4*p.Unit)/512)) * 512
	if p.Rand.IntN(3) == 0 {
		n = min(n, 4096)
	}
	off = p.Rand.Int64N((size-n)/512+1) * 512
	switch p.Rand.IntN(4) {
	case 0:
		off = off / p.Unit * p.Unit
	case 1: // whole units
		off, n = off/p.Unit*p.Unit, min((n+p.Unit-1)/p.Unit*p.Unit, size)
	}
	return off, min(n, size-off)
}

// ours writes by this project.
func (p *Program) ours(t *testing.T) {
	t.Helper()
	d := Open(t, p.Format, p.Path, true)
	for range 5 + p.Rand.IntN(20) {
		off, n := p.span()
		want := p.Content[off : off+n]
		switch p.Rand.IntN(10) {
		case 0:
			if z, ok := disk.As[disk.ZeroWriter](d); ok {
				if err := z.WriteZeroes(off, n); err != nil {
					t.Fatal(err)
				}
				clear(want)
			}
		case 1:
			x, ok := disk.As[disk.Discarder](d)
			if !ok {
				break
			}
			if err := x.Discard(off, n); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if _, err := d.ReadAt(got, off); err != nil {
				t.Fatal(err)
			}
			for i, b := range got {
				if b != want[i] && b != 0 {
					t.Fatalf("%d bytes were discarded at %d, and %d has become %#x", n, off, off+int64(i), b)
				}
			}
			copy(want, got)
		case 2:
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		case 3: // by several goroutines at a time, which meet in the same units
			p.fill(want)
			var wg sync.WaitGroup
			for i := int64(0); i < 4; i++ {
				wg.Go(func() {
					for at := i * 512; at < n; at += 4 * 512 {
						if _, err := d.WriteAt(want[at:at+512], off+at); err != nil {
							t.Error(err)
							return
						}
					}
				})
				if n > 1<<20 {
					break
				}
			}
			wg.Wait()
			if n > 1<<20 {
				if _, err := d.WriteAt(want, off); err != nil {
					t.Fatal(err)
				}
			}
		default:
			p.fill(want)
			if m, err := d.WriteAt(want, off); err != nil || m != len(want) {
				t.Fatalf("write %d bytes at %d: %d, %v", n, off, m, err)
			}
		}
		if p.Rand.IntN(4) == 0 {
			p.compareWith(t, d)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill makes other content.
func (p *Program) fill(b []byte) {
	x := byte(p.Rand.Uint32())
	for i := range b {
		if i%512 == 0 {
			x = byte(p.Rand.Uint32()) // no two sectors are alike, mostly
		}
		b[i] = x + byte(i)
	}
}

// qemus writes by qemu-io.
func (p *Program) qemus(t *testing.T) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	data := make([]byte, 4*p.Unit)
	p.fill(data)
	if err := os.WriteFile(source, data, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-t", "unsafe", "-f", p.Format}
	for range 3 + p.Rand.IntN(15) {
		off, n := p.span()
		n = min(n, int64(len(data)))
		want := p.Content[off : off+n]
		c := ""
		switch p.Rand.IntN(8) {
		case 0:
			c = fmt.Sprintf("write -z %d %d", off, n)
			clear(want)
		case 1:
			c = "flush"
		case 2, 3:
			x := byte(p.Rand.Uint32())
			c = fmt.Sprintf("write -P %d %d %d", x, off, n)
			copy(want, bytes.Repeat([]byte{x}, int(n)))
		default:
			c = fmt.Sprintf("write -s %s %d %d", source, off, n)
			copy(want, data)
		}
		args = append(args, "-c", c)
	}
	testimg.MustRun(t, "qemu-io", append(args, p.Path)...)
}

// Compare compares what both sides read with the content.
func (p *Program) Compare(t *testing.T) {
	t.Helper()
	d := Open(t, p.Format, p.Path, false)
	p.compareWith(t, d)
	testdisk.CheckExtents(t, d, p.Content)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	p.CompareQemu(t)
}

// CompareQemu compares what QEMU reads with the content.
func (p *Program) CompareQemu(t *testing.T) {
	t.Helper()
	differ(t, "QEMU", testdisk.Convert(t, p.Format, p.Path), p.Content)
}

func (p *Program) compareWith(t *testing.T, d disk.Device) {
	t.Helper()
	if d.Size() != int64(len(p.Content)) {
		t.Fatalf("%d bytes, want %d", d.Size(), len(p.Content))
	}
	got := make([]byte, d.Size())
	if _, err := d.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	differ(t, "we", got, p.Content)
}

func differ(t *testing.T, who string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Fatalf("%s read %d bytes, of %d, that differ at %d", who, len(got), len(want), at)
}
