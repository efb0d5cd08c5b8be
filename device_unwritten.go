package unboot

import (
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

// hasTags reports whether the blocks of a volume have checksums or authentication tags beside
// them.
func hasTags(v *volume.Volume) bool {
	return slices.ContainsFunc(v.Table, func(t volume.Target) bool {
		return t.Type == "integrity" || t.Type == "crypt" && strings.Contains(t.Params, " integrity:")
	})
}

// unwritten reads a volume with tags, for looking at what is on it. A block that was never
// written has none, and cannot be read: cryptsetup(8) leaves such where it was told not to
// wipe the device. Here they are zeros. A disk that fails cannot be told from that.
type unwritten struct{ io.ReaderAt }

// pageSize is the unit, in bytes, in which the kernel reads block devices.
const pageSize = 4096

func (r unwritten) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	if !isUnreadable(err) {
		return n, err
	}
	for n = 0; n < len(p); {
		piece := p[n:min(len(p), n+pageSize-int(off+int64(n))%pageSize)]
		m, err := r.ReaderAt.ReadAt(piece, off+int64(n))
		if isUnreadable(err) {
			clear(piece)
			m, err = len(piece), nil
		}
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// isUnreadable reports whether a read failed because of a block: EILSEQ says that its tag
// is wrong, which the page cache makes EIO.
func isUnreadable(err error) bool { return errors.Is(err, unix.EILSEQ) || errors.Is(err, unix.EIO) }
