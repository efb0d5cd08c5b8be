package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/lkl"
)

// ntfsresize(8) writes all its changes, in an order that the kernel does not keep, before the file
// system is consistent again, and only Windows repairs what is in between. So it works on an
// overlay. What it has changed is then written to the disk in an order in which the file system
// can be mounted at any time, and has all files: first what moved, to clusters that were free;
// then its tables, which take milliseconds and which Windows repairs, if that is interrupted.

// mayShrinkApart reports whether an NTFS lies directly on the disk, where its clusters can be
// found.
func (c *content) mayShrinkApart(a *app) bool {
	return c.fs != nil && c.fsNew < c.fsSize && c.top().Content.Type == "ntfs" && len(c.levels) == 1 && len(a.opts.add) == 0
}

// shrinkApart makes an NTFS smaller. The image is not open. The error wraps [errNoLayout] if
// nothing was done.
func (c *content) shrinkApart(r *resizer, a *app) (err error) {
	from := diskOpener{format: r.disk.format, writable: true}
	d, err := from.bytes(a, r.image)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	file, err := lkl.NewOverlay(os.TempDir())
	if err != nil {
		return fmt.Errorf("a temporary file: %w", err)
	}
	defer file.Close()
	over := newOverlayDisk(d, file)
	layout, err := c.shrinkOver(r, a, over)
	switch {
	case err != nil && over.err != nil:
		return fmt.Errorf("%w: %w (TMPDIR names a directory with more room)", over.err, err)
	case err != nil:
		return err
	}
	for pass := range ntfsPasses {
		if err := over.commit(func(off, n int64) bool { return layout.pass(off, n) == pass }); err != nil {
			return err
		}
		if err := d.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// shrinkOver makes an NTFS smaller on an overlay, and returns what it was like before.
func (c *content) shrinkOver(r *resizer, a *app, over *overlayDisk) (layout *ntfsLayout, err error) {
	o := []unboot.Option{unboot.AddDevice(r.image, over), unboot.Writable()}
	if a.opts.sector != 0 {
		o = append(o, unboot.SectorSize(a.opts.sector))
	}
	img, err := unboot.Open(a.life, "", o...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, img.Close()) }()
	d, err := img.Device(c.top().Name)
	if err != nil {
		return nil, err
	}
	start := int64(0)
	if d.Partition != nil {
		start = d.Partition.Start
	}
	bitmap, err := r.output(a, img, nil, "ntfscat", "-f", d.Name, "$Bitmap")
	if err == nil {
		layout, err = newNTFSLayout(over, start, bitmap)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoLayout, err)
	}
	if err = c.fs.shrink(r, a, img, d, c.fsNew); err == nil {
		err = img.Rescan()
	}
	if err == nil {
		err = c.checkFS(img)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(d.Name), err)
	}
	return layout, nil
}

// errNoLayout is of an NTFS of which it is not known which clusters are free.
var errNoLayout = errors.New("the clusters of the NTFS cannot be found")

// ntfsPasses are what is written one after the other: what was free, then most of the metadata,
// and at last what has to fit together, which is the boot sector and the records of the file
// system's own files. Until then, all that they refer to is there.
const ntfsPasses = 3

// An ntfsLayout says what an NTFS has where. All numbers are in bytes.
type ntfsLayout struct {
	start, cluster int64  // of the file system on the disk, and how large its clusters are
	bitmap         string // a bit for each cluster, set for one that is in use
	own, ownEnd    int64  // the records of its own files
}

func newNTFSLayout(d disk.Device, start int64, bitmap string) (*ntfsLayout, error) {
	boot := make([]byte, 512)
	if n, err := d.ReadAt(boot, start); n < len(boot) {
		return nil, err
	}
	size := func(b byte, unit int64) int64 { // a number, or the exponent of one
		if n := int64(int8(b)); n > 0 {
			return n * unit
		}
		return 1 << min(-int64(int8(b)), 32)
	}
	l := &ntfsLayout{start: start, bitmap: bitmap, cluster: size(boot[13], int64(binary.LittleEndian.Uint16(boot[11:])))}
	mft, record := int64(binary.LittleEndian.Uint64(boot[48:])), size(boot[64], l.cluster)
	if string(boot[3:7]) != "NTFS" || l.cluster < 256 || l.cluster > 2<<20 || record > 64<<10 || mft < 0 || mft > 1<<62/l.cluster {
		return nil, errors.New("an odd boot sector")
	}
	const ownFiles = 16
	l.own = mft * l.cluster
	l.ownEnd = l.own + ownFiles*record
	return l, nil
}

// pass returns when a part of the disk is to be written.
func (l *ntfsLayout) pass(off, n int64) int {
	off -= l.start
	switch {
	case l.free(off, n):
		return 0
	case off < l.ownEnd && off+n > l.own, off < 512 && off+n > 0:
		return 2
	}
	return 1
}

// free reports whether all clusters are free.
func (l *ntfsLayout) free(off, n int64) bool {
	if off < 0 {
		return false
	}
	for c := off / l.cluster; c*l.cluster < off+n; c++ {
		if c/8 >= int64(len(l.bitmap)) || l.bitmap[c/8]>>(c%8)&1 != 0 {
			return false
		}
	}
	return true
}

// readFull reads all of p.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
