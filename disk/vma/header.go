package vma

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
)

const (
	magic = "VMA\x00\x00\x00\x00\x01" // with the version

	// Of the header, in bytes.
	uuidAt      = 8
	sumAt       = 32
	blobsAt     = 48
	devicesAt   = 4096
	deviceSize  = 32
	headerSize  = devicesAt + maxDevices*deviceSize // without what follows: the names
	maxHeader   = 16 << 20
	maxDevices  = 256
	maxClusters = 1 << 32
)

var be = binary.BigEndian

// A stream is a disk of an archive.
type stream struct {
	id   uint8
	name string
	size int64 // bytes
}

func (s *stream) clusters() int64 { return (s.size + clusterSize - 1) / clusterSize }

// A header says which disks an archive has.
type header struct {
	size    int64 // where extents begin
	uuid    [16]byte
	streams []stream
	known   [maxDevices]bool // all, with the state of a machine
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	blobs, blobSize, size := int64(be.Uint32(b[blobsAt:])), int64(be.Uint32(b[blobsAt+4:])), int64(be.Uint32(b[blobsAt+8:]))
	if size < headerSize || size > maxHeader {
		return nil, damage.Errorf("a header of %d bytes", size)
	}
	if blobs < headerSize || blobSize > size-blobs {
		return nil, damage.Errorf("names of %d bytes at %d of a header of %d", blobSize, blobs, size)
	}
	all := make([]byte, size)
	if err := damage.ReadFull(d, all, 0, "header"); err != nil {
		return nil, err
	}
	if !rightSum(all, sumAt) {
		return nil, damage.Errorf("the checksum of the header is wrong")
	}
	h := &header{size: size, uuid: [16]byte(all[uuidAt:])}
	names := all[blobs:][:blobSize]
	for id := 1; id < maxDevices; id++ { // 0 is none
		e := all[devicesAt+id*deviceSize:][:deviceSize]
		at, size := int64(be.Uint32(e)), be.Uint64(e[8:])
		if at == 0 {
			continue
		}
		name, err := blob(names, at)
		if err != nil {
			return nil, err
		}
		h.known[id] = true
		if name == "vmstate" {
			continue
		}
		if size == 0 || size > maxClusters*clusterSize {
			return nil, damage.Errorf("the disk %q has %d bytes", name, size)
		}
		h.streams = append(h.streams, stream{uint8(id), name, int64(size)})
	}
	return h, nil
}

// rightSum reports whether the MD5 sum of b, which counts as zeros itself, stands in it.
func rightSum(b []byte, at int) bool {
	h := md5.New()
	h.Write(b[:at])
	h.Write(make([]byte, md5.Size))
	h.Write(b[at+md5.Size:])
	return bytes.Equal(h.Sum(nil), b[at:][:md5.Size])
}

// blob returns the text at a place of the names.
func blob(names []byte, at int64) (string, error) {
	if at+2 > int64(len(names)) {
		return "", damage.Errorf("a name at %d of %d bytes of names", at, len(names))
	}
	n := int64(binary.LittleEndian.Uint16(names[at:]))
	if at+2+n > int64(len(names)) {
		return "", damage.Errorf("a name of %d bytes at %d of %d bytes of names", n, at, len(names))
	}
	name, _, _ := strings.Cut(string(names[at+2:][:n]), "\x00")
	return name, nil
}

// firmware are what the names of disks begin with that are not the machine's own.
var firmware = []string{"drive-efidisk", "drive-tpmstate"}

// choose returns the disk of a name, or the only one.
func (h *header) choose(name string) (*stream, error) {
	const prefix = "drive-"
	var names, own []string
	for i := range h.streams {
		s := &h.streams[i]
		if name != "" && (s.name == name || s.name == prefix+name) {
			return s, nil
		}
		names = append(names, s.name)
		if !strings.HasPrefix(s.name, firmware[0]) && !strings.HasPrefix(s.name, firmware[1]) {
			own = append(own, s.name)
		}
	}
	if name == "" && len(own) == 1 {
		names = own
	}
	name, err := readonly.Choose(names, name, ErrDisks)
	if err != nil {
		return nil, err
	}
	for i := range h.streams {
		if h.streams[i].name == name {
			return &h.streams[i], nil
		}
	}
	return nil, ErrDisks // which cannot be
}
