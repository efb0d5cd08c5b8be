package compressed

import (
	"fmt"
	"io"
	"math"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/compression/lzop"
)

// A Kind is a compression, by the name of its program: gzip, bzip2, xz, zstd or
// lzop. Its methods are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].
type Kind string

// magics are what files of a kind begin with.
var magics = map[Kind]string{"gzip": "\x1f\x8b\x08", "bzip2": "BZh", "xz": "\xfd7zXZ\x00", "zstd": "\x28\xb5\x2f\xfd", "lzop": lzop.Magic}

// Match reports whether an image that begins with head is compressed so.
func (k Kind) Match(head, _ []byte) bool {
	m := magics[k]
	return string(head[:len(m)]) == m
}

// Open opens an image, which it closes when it is closed, but not if Open fails. The path is
// for errors.
func (k Kind) Open(d disk.Device, path string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	m, err := k.open(d, path)
	if err != nil {
		return nil, (&image{}).wrap(path, err)
	}
	return m, nil
}

// Stat returns the size of the disk in bytes. It decompresses all of an image that has no
// index.
func (k Kind) Stat(d disk.Device) (int64, []disk.Reference, error) {
	n, err := k.StatMax(d, math.MaxInt64-1)
	return n, nil, err
}

// StatMax is Stat that decompresses no more than one byte above a size, which it then
// returns.
func (k Kind) StatMax(d disk.Device, most int64) (int64, error) {
	if err := k.checkContent(d); err != nil {
		return 0, err
	}
	if list, err := k.index(d); err == nil {
		return list.size(), nil
	}
	r, err := k.reader(d)
	if err != nil {
		return 0, damage.Errorf("%v", err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, most+1))
	if err != nil {
		return 0, damage.Errorf("after %d bytes: %v", n, err)
	}
	return n, nil
}

func (k Kind) reader(d disk.Device) (io.Reader, error) {
	return compression.NewReader(string(k), io.NewSectionReader(d, 0, d.Size()))
}

// checkContent returns an error for what is compressed and is not a raw disk.
func (k Kind) checkContent(d disk.Device) error {
	r, err := k.reader(d)
	if err != nil {
		return damage.Errorf("%v", err)
	}
	head, err := io.ReadAll(io.LimitReader(r, disk.MinSize))
	if err != nil {
		return damage.Errorf("%v", err)
	}
	if len(head) < disk.MinSize {
		return disk.ErrTooSmall
	}
	if e, ok := disk.CheckRaw(readerAt(head), disk.MinSize).(*disk.FormatError); ok {
		hint := "decompress it first"
		if e.Hint != "" && e.Hint != hint {
			hint += ", then " + e.Hint
		}
		return &disk.FormatError{Format: fmt.Sprintf("%s (compressed by %s)", e.Format, k), Hint: hint}
	}
	return nil
}

// readerAt is a few bytes.
type readerAt []byte

func (b readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
