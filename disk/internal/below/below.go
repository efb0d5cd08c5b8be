// Package below opens and reads what is below an image in a chain: its backing file, or its
// parent. That may be smaller than the image, which then has zeros.
package below

import (
	"errors"
	"io/fs"
	"iter"

	"github.com/unboot/unboot/disk"
)

// Read reads all of p. If there is nothing below, it is all zeros.
func Read(d disk.Device, p []byte, off int64) error {
	there := int64(0)
	if d != nil {
		there = min(max(d.Size()-off, 0), int64(len(p)))
	}
	clear(p[there:])
	if there == 0 {
		return nil
	}
	return ReadData(d, p[:there], off)
}

// Extents says how n bytes from off on are stored, as [disk.Extenter], one deeper. What
// cannot say so is Data as far as it goes. After an error there is nothing more.
func Extents(d disk.Device, off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		there := min(max(d.Size()-off, 0), n)
		if there > 0 {
			if x, ok := disk.As[disk.Extenter](d); ok {
				for e, err := range x.Extents(off, there) {
					e.Depth++
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else if !yield(disk.Extent{Start: off, Size: there, Kind: disk.Data, Depth: 1, Offset: off}, nil) {
				return
			}
		}
		if there < n {
			yield(disk.Extent{Start: off + there, Size: n - there, Kind: disk.Hole, Depth: 1}, nil)
		}
	}
}

// Open opens the first of the files that can be a parent which is there. path is that of the
// image, for errors; without refer, nothing may be opened.
func Open(refs []disk.Reference, path string, refer func(disk.Reference) (disk.Device, error)) (d disk.Device, err error) {
	for _, ref := range refs {
		if refer == nil {
			ref.Image = path
			return nil, &disk.NotAllowedError{Reference: ref}
		}
		if d, err = refer(ref); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return d, err
}
