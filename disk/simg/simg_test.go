package simg

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// memory is a disk in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }
func (m memory) WriteAt([]byte, int64) (int, error)      { return 0, syscall.EROFS }
func (m memory) Size() int64                             { return int64(len(m)) }
func (m memory) Flush() error                            { return nil }
func (m memory) Close() error                            { return nil }

// build makes an image of blocks of 512 bytes, from chunks that begin with their headers.
func build(blocks, chunks uint32, parts ...[]byte) []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	le.PutUint16(b[4:], 1)
	le.PutUint16(b[8:], headerSize)
	le.PutUint16(b[10:], chunkSize)
	le.PutUint32(b[12:], 512)
	le.PutUint32(b[16:], blocks)
	le.PutUint32(b[20:], chunks)
	return append(b, bytes.Join(parts, nil)...)
}

func part(kind uint16, blocks uint32, data []byte) []byte {
	b := make([]byte, chunkSize)
	le.PutUint16(b, kind)
	le.PutUint32(b[4:], blocks)
	le.PutUint32(b[8:], uint32(chunkSize+len(data)))
	return append(b, data...)
}

var text = bytes.Repeat([]byte("text"), 256) // two blocks

// content returns the bytes of a disk as its extents say they are, and fails the test where
// reading says something else.
func content(t *testing.T, d disk.Device) ([]byte, error) {
	t.Helper()
	whole := make([]byte, d.Size())
	n, err := d.ReadAt(whole, 0)
	x, ok := disk.As[disk.Extenter](d)
	if !ok {
		t.Fatal("no extents")
	}
	end := int64(0)
	for e, xerr := range x.Extents(0, d.Size()+1000) {
		if xerr != nil {
			if err == nil || err.Error() != xerr.Error() {
				t.Errorf("extents: %v, reading: %v", xerr, err)
			}
			break
		}
		if e.Start != end || e.Size <= 0 || e.Start+e.Size > d.Size() {
			t.Fatalf("%+v follows %d", e, end)
		}
		end += e.Size
		if e.Kind == disk.Hole && end <= int64(n) && len(bytes.Trim(whole[e.Start:end], "\x00")) > 0 {
			t.Errorf("%+v is not zeros", e)
		}
	}
	return whole[:n], err
}

// TestSimg2img reads images that img2simg made, and that have been written to at random, as
// simg2img makes them raw again.
func TestSimg2img(t *testing.T) {
	testimg.Need(t, "img2simg", "simg2img")
	dir := t.TempDir()
	for i, block := range []string{"4096", "1024", "65536"} {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		raw := make([]byte, 3<<20)
		for range 60 {
			at := r.IntN(len(raw) - 80000)
			piece := raw[at:][:r.IntN(80000)]
			word := []byte{1, 2, 3, byte(r.IntN(9))}
			if r.IntN(2) == 0 {
				piece = raw[at&^65535:][:65536]
			}
			for j := range piece {
				piece[j] = word[j%4]
				if r.IntN(300) == 0 && i != 1 {
					piece[j]++
				}
			}
		}
		path, sparse, back := filepath.Join(dir, "raw"), filepath.Join(dir, "sparse"), filepath.Join(dir, "back")
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "img2simg", path, sparse, block)
		testimg.MustRun(t, "simg2img", sparse, back)
		want, err := os.ReadFile(back)
		if err != nil || !bytes.Equal(want, raw) {
			t.Fatal("simg2img makes something else of it:", err)
		}
		b, err := os.ReadFile(sparse)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Open(memory(b), sparse, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := content(t, d); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %d bytes, %v", block, len(got), err)
		}
		for range 200 {
			p := make([]byte, r.IntN(100000))
			off := r.IntN(len(raw) + 1)
			want := raw[off:][:min(len(p), len(raw)-off)]
			n, err := d.ReadAt(p, int64(off))
			if n != len(want) || !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) {
				t.Errorf("%s: reading %d at %d: %d, %v", block, len(p), off, n, err)
			}
		}
		if size, refs, err := Stat(memory(b)); err != nil || size != d.Size() || len(refs) != 0 {
			t.Error(size, refs, err)
		}
	}
}

// TestChunks has chunks that img2simg does not make, and headers that are longer.
func TestChunks(t *testing.T) {
	b := build(9, 6, part(chunkDontCare, 2, nil), part(chunkRaw, 2, text), part(chunkCRC32, 0, text[:4]),
		part(chunkFill, 3, []byte("fill")), part(chunkRaw, 0, nil), part(chunkFill, 2, make([]byte, 4)))
	want := append(make([]byte, 1024), text...)
	want = append(want, bytes.Repeat([]byte("fill"), 384)...)
	want = append(want, make([]byte, 1024)...)
	longer := bytes.Replace(b, b[:headerSize], append(bytes.Clone(b[:headerSize]), "more"...), 1)
	longer[8] += 4
	for _, b := range [][]byte{b, longer} {
		d, err := Open(memory(b), "image", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := content(t, d); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := d.WriteAt(text, 0); !errors.Is(err, syscall.EROFS) {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamage has chunks that cannot be: what is before them is read.
func TestDamage(t *testing.T) {
	good := part(chunkRaw, 2, text)
	for want, b := range map[string][]byte{
		"ends at 1536 of a disk of 1024 bytes":      build(2, 2, good, part(chunkFill, 1, text[:4])),
		"chunks end at 1024 of a disk of 2048":      build(4, 1, good),
		"the file ends":                             build(4, 2, good),
		"the file ends before the image does":       build(4, 2, good, part(chunkRaw, 2, text)[:700]),
		"chunk 1 is of the type 0xcac5":             build(4, 2, good, part(0xcac5, 2, nil)),
		"chunk 1 takes 12 bytes and not 1036":       build(4, 2, good, part(chunkRaw, 2, nil)),
		"chunk 1 takes 16 bytes and not 12":         build(4, 2, good, part(chunkDontCare, 2, text[:4])),
		"chunk 1 takes 12 bytes and not 2199023255": build(1<<32-1, 2, good, part(chunkRaw, 1<<32-1, nil))[:headerSize+chunkSize+1024+chunkSize],
	} {
		d, err := Open(memory(b), "image", nil)
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		p := make([]byte, 2048)
		n, err := d.ReadAt(p, 0)
		if strings.HasPrefix(want, "ends at") {
			// The disk is whole without the chunk that is too many.
			if n != 1024 || err != io.EOF {
				t.Errorf("%s: %d, %v", want, n, err)
			}
			continue
		}
		var path *fs.PathError
		if n < 1024 || !bytes.Equal(p[:1024], text) || !errors.Is(err, ErrDamaged) || !errors.As(err, &path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d, %v", want, n, err)
		}
	}
	for want, change := range map[string]func(b []byte){
		"not a sparse image":             func(b []byte) { b[4] = 2 },
		"headers of 27 and 12 bytes":     func(b []byte) { b[8] = 27 },
		"headers of 28 and 11 bytes":     func(b []byte) { b[10] = 11 },
		"blocks of 0 bytes":              func(b []byte) { le.PutUint32(b[12:], 0) },
		"blocks of 514 bytes":            func(b []byte) { le.PutUint32(b[12:], 514) },
		"4294967295 blocks of 429496729": func(b []byte) { le.PutUint32(b[12:], 1<<32-4); le.PutUint32(b[16:], 1<<32-1) },
	} {
		b := build(2, 1, good)
		change(b)
		if _, err := Open(memory(b), "image", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, _, err := Stat(memory(b)); err == nil {
			t.Errorf("%s: has a size", want)
		}
	}
	if _, err := Open(memory(magic), "image", nil); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	many := build(4, 1<<32-1, bytes.Repeat(part(chunkCRC32, 0, text[:4]), MaxChunks+1))
	d, err := Open(memory(many), "image", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(make([]byte, 10), 0); err == nil || !strings.Contains(err.Error(), "more than 1048576 chunks") {
		t.Error(err)
	}
}

// FuzzImage reads whatever an image is said to have.
func FuzzImage(f *testing.F) {
	f.Add(build(9, 5, part(chunkDontCare, 2, nil), part(chunkRaw, 2, text), part(chunkCRC32, 0, text[:4]),
		part(chunkFill, 3, []byte("fill")), part(chunkFill, 2, make([]byte, 4))))
	f.Add(build(4, 2, part(chunkRaw, 2, text)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Open(memory(b), "image", nil)
		size, refs, statErr := Stat(memory(b))
		if (err == nil) != (statErr == nil) || err == nil && (size != d.Size() || len(refs) > 0) {
			t.Fatal(err, statErr, size)
		}
		if err != nil {
			return
		}
		if size < 1<<20 {
			content(t, d)
		}
		for _, off := range []int64{0, size / 2, size - 100} {
			p := make([]byte, 600)
			if off < 0 {
				continue
			}
			if n, err := d.ReadAt(p, off); n < len(p) && err == nil || n > len(p) {
				t.Errorf("%d at %d: %v", n, off, err)
			}
		}
	})
}
