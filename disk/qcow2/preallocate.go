package qcow2

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

// preallocate makes room for all clusters of an image in which there are none: their entries
// alone ("metadata"), also on the disk of the host ("falloc"), or by writing zeros ("full").
func preallocate(d disk.Device, path, how string) error {
	m, err := New(keepOpen{d}, path, Options{Writable: true})
	if err != nil {
		return err
	}
	err = m.w.preallocate(how)
	if e := m.Close(); err == nil {
		err = e
	}
	return err
}

// keepOpen is a device that somebody else closes.
type keepOpen struct{ disk.Device }

func (keepOpen) Close() error { return nil }

// Unwrap makes it a [disk.Wrapper].
func (k keepOpen) Unwrap() disk.Device { return k.Device }

func (w *writer) preallocate(how string) error {
	h := w.m.h
	end := (h.Size + int64(h.ClusterSize) - 1) >> h.clusterBits
	for c := int64(0); c < end; {
		r := room{first: c, old: make([]l2Entry, w.sliceEnd(c, end)-c)}
		if err := w.makeRoom(&r); err != nil {
			return err
		}
		n := int64(len(r.old))
		if err := w.reserve(r.host, n<<h.clusterBits, how); err != nil {
			w.leaveRoom(&r)
			return err
		}
		w.mu.Lock()
		err := w.linkRoom(&r, c<<h.clusterBits, (c+n)<<h.clusterBits)
		w.mu.Unlock()
		if err == nil {
			err = w.relieve()
		}
		if err != nil {
			return err
		}
		c += n
	}
	return nil
}

// reserve makes room on the host for a part of the file, which reads as zeros.
func (w *writer) reserve(off, n int64, how string) error {
	file := w.m.file
	if f, ok := disk.As[disk.HostFile](file); ok && how == "falloc" {
		if err := unix.Fallocate(int(f.File().Fd()), 0, off, n); err != nil {
			return fmt.Errorf("fallocate: %w", err)
		}
		// The device has to know of the size.
		off, n = off+n-sectorSize, sectorSize
	}
	if how == "metadata" {
		off, n = off+n-sectorSize, sectorSize
	}
	zeros := make([]byte, min(n, 1<<20))
	for at := off; at < off+n; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), off+n-at)], at); err != nil {
			return err
		}
	}
	return nil
}
