package server

import (
	"os"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/devname"
	"github.com/unboot/unboot/internal/hosttool"
)

// openHoles opens the file of a drive, if it is a raw one that is written to, so that
// holes in it are holes in the disk.
func (s *Server) openHoles(d Drive) *os.File {
	if d.ReadOnly {
		return nil
	}
	if format, err := driveFormat(d); err != nil || format != "raw" {
		return nil
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return nil
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil
	}
	s.store.onClose(f.Close)
	return f
}

// holes are those of a device.
type holes struct {
	f     *os.File // the file of its disk, or nil
	start int64    // of the device in the file
	size  int64    // of the device
}

// holes returns the holes of a device, of which there are more after a sync.
func (s *Server) holes(n *node) holes {
	h := holes{size: n.size}
	d := s.device(n.Name())
	switch {
	case d == nil:
		return h
	case d.Kind == unboot.KindPartition:
		h.start, d = d.Partition.Start, wholeOf(d)
	}
	if i, partition, ok := devname.Index(d.Name); ok && partition == "" && i < len(s.engine.raw) {
		h.f = s.engine.raw[i]
	}
	return h
}

// next returns the first place from off on that may have something other than zeros, or
// the size of the device.
//
// Preconditions: everything that was written to the device is in the file.
func (h holes) next(off int64) int64 {
	if h.f == nil {
		return off
	}
	return max(off, min(hosttool.SeekData(h.f, h.start+off, h.start+h.size)-h.start, h.size))
}
