package qcow2

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head, which has 8 bytes at least, is in
// this format, of whatever version. Version 1, which QEMU calls qcow, is another format.
func Match(head, _ []byte) bool {
	return string(head[:4]) == magic && be.Uint32(head[4:]) != 1
}

// Open opens an image as [New] does, with other files opened by refer, for writing if d
// is open for writing. An encrypted one has to be unlocked: see [disk.Encrypted].
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, Options{Refer: refer, Writable: disk.Writable(d), Encrypted: true}))
}

// OpenSnapshot opens an image as it was in an internal snapshot, for reading.
func OpenSnapshot(d disk.Device, path, snapshot string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, Options{Refer: refer, Snapshot: snapshot, Encrypted: true}))
}

// Stat returns the size of the disk in bytes, and the files that the image names. It
// also answers for an image that cannot be read, such as an encrypted one.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	h, err := ReadHeader(d)
	if err != nil {
		return 0, nil, err
	}
	if h.ExternalData {
		refs = append(refs, h.dataReference())
	}
	if h.BackingFile != "" {
		refs = append(refs, h.backingReference())
	}
	return h.Size, refs, nil
}

func (h *Header) dataReference() disk.Reference {
	return disk.Reference{Role: disk.DataFile, Name: h.DataFile, Format: "raw"}
}

func (h *Header) backingReference() disk.Reference {
	return disk.Reference{Role: disk.BackingFile, Name: h.BackingFile, Format: h.BackingFormat}
}
