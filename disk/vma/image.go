package vma

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
)

const (
	clusterSize = 64 << 10
	blockSize   = 4 << 10
	perCluster  = clusterSize / blockSize

	extentMagic = "VMAE"
	extentSize  = 512 // of the header of an extent
	perExtent   = 59  // clusters
	countAt     = 6
	extentUUID  = 8
	extentSum   = 24
	entriesAt   = 40
)

// A cluster is one that has data.
type cluster struct {
	at     int64 // in the file
	number uint32
	mask   uint16 // of the blocks that are stored, the first one lowest
}

// An Image is a disk of an archive. It is a [disk.Device].
type Image struct {
	readonly.Image
	clusters []cluster // sorted
}

// New opens a disk of the archive on a device, which it closes when it is closed, but not if New
// fails. name is the disk's, or "" for the only one; path is for errors.
func New(d disk.Device, path, name string) (*Image, error) {
	m := &Image{}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	h, err := readHeader(d)
	if err != nil {
		return nil, m.Wrap("open", err)
	}
	s, err := h.choose(name)
	if err == nil {
		m.Bytes = s.size
		err = m.readExtents(h, s)
	}
	if err != nil {
		return nil, m.Wrap("open", err)
	}
	return m, nil
}

// readExtents finds the clusters of a disk.
func (m *Image) readExtents(h *header, s *stream) error {
	size, want := m.File.Size(), s.clusters()
	if most := (size - h.size) / extentSize * perExtent; want > most {
		return damage.Errorf("the disk %q has %d clusters, of which the file has room for %d (was it truncated?)", s.name, want, most)
	}
	seen := make([]uint64, (want+63)/64)
	found := int64(0)
	b := make([]byte, extentSize)
	for at := h.size; at < size; {
		if err := damage.ReadFull(m.File, b, at, "header of an extent"); err != nil {
			return err
		}
		switch {
		case string(b[:4]) != extentMagic:
			return damage.Errorf("there is no extent at %d", at)
		case [16]byte(b[extentUUID:]) != h.uuid:
			return damage.Errorf("the extent at %d is of another archive", at)
		case !rightSum(b, extentSum):
			return damage.Errorf("the checksum of the extent at %d is wrong", at)
		}
		data := at + extentSize
		for i := range perExtent {
			e := be.Uint64(b[entriesAt+8*i:])
			id, c := uint8(e>>32), cluster{data, uint32(e), uint16(e >> 48)}
			if id == 0 {
				continue
			}
			if !h.known[id] {
				return damage.Errorf("the extent at %d has a cluster of the disk %d, which does not exist", at, id)
			}
			data += int64(bits.OnesCount16(c.mask)) * blockSize
			if id != s.id {
				continue
			}
			word, bit := c.number/64, uint64(1)<<(c.number%64)
			switch {
			case int64(c.number) >= want:
				return damage.Errorf("the extent at %d has cluster %d of a disk of %d", at, c.number, want)
			case seen[word]&bit != 0:
				return damage.Errorf("the extent at %d has cluster %d once more", at, c.number)
			}
			seen[word] |= bit
			found++
			if c.mask != 0 {
				m.clusters = append(m.clusters, c)
			}
		}
		if n := int64(be.Uint16(b[countAt:])); data != at+extentSize+n*blockSize {
			return damage.Errorf("the extent at %d has %d blocks, and not %d", at, (data-at-extentSize)/blockSize, n)
		}
		if data > size {
			return damage.Errorf("the extent at %d ends at %d, past the end of the file (was it truncated?)", at, data)
		}
		at = data
	}
	if found < want {
		return damage.Errorf("%d of the %d clusters of the disk %q are not there (was it truncated?)", want-found, want, s.name)
	}
	slices.SortFunc(m.clusters, func(a, b cluster) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	number := uint32(off / clusterSize)
	i, found := slices.BinarySearchFunc(m.clusters, number, func(c cluster, n uint32) int { return cmp.Compare(c.number, n) })
	if !found {
		end := m.Bytes // of what is zeros: where the next cluster with data begins
		if i < len(m.clusters) {
			end = int64(m.clusters[i].number) * clusterSize
		}
		return readonly.Segment{Size: min(n, end-off), Kind: disk.Hole}, nil
	}
	c := m.clusters[i]
	in := off % clusterSize
	first := int(in / blockSize)
	stored := c.mask>>first&1 != 0
	next := first + 1
	for next < perCluster && (c.mask>>next&1 != 0) == stored {
		next++
	}
	s := readonly.Segment{Size: min(n, int64(next)*blockSize-in), Kind: disk.Hole}
	if stored {
		before := bits.OnesCount16(c.mask & (1<<first - 1))
		s.Kind, s.Host = disk.Data, c.at+int64(before)*blockSize+in%blockSize
	}
	return s, nil
}

// Unpack is not called: nothing is compressed.
func (m *Image) Unpack([]byte, int64) error { return damage.Errorf("a compressed cluster") }
