package unboot

import (
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// enlist makes a device a member of what its content says.
func (a *assembly) enlist(d *Device) {
	for _, k := range a.kinds {
		if !a.belongs(d, k) {
			k.fresh = k.fresh || k.Beside && len(k.members) > 0
			continue
		}
		m, err := a.member(d)
		if err != nil {
			a.problem(d, "%v", err)
			return
		}
		if k.Offset {
			m.Offset = a.metadataAt(d)
		}
		k.members = append(k.members, m)
		k.fresh = true
	}
}

// minBlind is the size in bytes of the smallest device on which something without a
// signature is looked for. TrueCrypt made volumes of 19 KiB.
const minBlind = 16 << 10

// belongs reports whether a device is to be looked at for volumes of a kind.
func (a *assembly) belongs(d *Device, k *kindState) bool {
	c := d.Content
	switch {
	case k.Offset && a.metadataAt(d) > 0:
		return true
	case c == nil && k.Blind:
		param := ""
		if len(a.g.children[d]) > 0 {
			param = k.Partitioned
		}
		return d.Size >= minBlind && (len(a.g.children[d]) == 0 || param != "") && (a.img.hasOpened(k, d) || a.hasKey(d, param))
	case c == nil || !slices.Contains(k.Members, c.Type):
		return false
	}
	// The metadata of an array of whole disks is on the disk, and not on what look like
	// its partitions.
	for _, p := range a.g.parents[d] {
		if p.Content != nil && p.Content.Usage == probe.RAID && p.Content.DataEnd != 0 && (p.Content.UUID == c.UUID || c.UUID == "") && c.Type != "ldm_member" {
			return false
		}
	}
	return true
}

// member returns what a kind of volumes gets of a device.
func (a *assembly) member(d *Device) (*volume.Member, error) {
	m := &volume.Member{Size: d.Size, SectorSize: volume.SectorSize, Info: d.Content, Name: d.Name, Disk: d.Kind == KindDisk}
	var err error
	if a.numbers[m], err = a.img.numbers(d.Name); err != nil {
		return nil, err
	}
	if r, sectorSize := a.readable(d); r != nil {
		m.R, m.SectorSize, a.readers[m] = r, sectorSize, r
	} else {
		f, err := a.open(d.Name)
		if err != nil {
			return nil, err
		}
		m.R = io.NewSectionReader(f, 0, d.Size)
		if n, err := a.img.k.IoctlGetUint32(f.Fd(), unix.BLKSSZGET); err == nil {
			m.SectorSize = int(n)
		}
	}
	if p := d.Partition; p != nil {
		m.PartNumber, m.PartStart, m.PartType, m.PartUUID, m.PartName = p.Number, p.Start, p.Type, p.UUID, p.Name
	}
	a.devices[m] = d
	return m, nil
}

// readable returns what reads a device without the kernel, which takes a tenth of the time,
// and the size of its sectors; or nil if only the kernel can read it, or something may have
// been written through the kernel.
func (a *assembly) readable(d *Device) (r io.ReaderAt, sectorSize int) {
	if r := a.onHost[d]; r != nil {
		return r, volume.SectorSize
	}
	disk, start := d.Name, int64(0)
	if d.Partition != nil && len(a.g.parents[d]) > 0 {
		disk, start = a.g.parents[d][0].Name, d.Partition.Start
	}
	if s := a.scans[disk]; s != nil {
		return io.NewSectionReader(s.r, start, d.Size), s.sectorSize
	}
	return nil, 0
}

// readerOf returns what reads a volume without the kernel, or nil.
func (a *assembly) readerOf(v *volume.Volume) io.ReaderAt {
	for _, b := range v.On() {
		if a.readers[b] == nil {
			return nil
		}
	}
	r, ok := volume.NewReader(v.Table, func(b volume.Base) io.ReaderAt { return a.readers[b] })
	if !ok {
		return nil
	}
	return r
}

// numbers returns the numbers of a block device, "8:1".
func (img *Image) numbers(name string) (string, error) {
	var st unix.Statx_t
	if err := img.k.Statx(unix.AT_FDCWD, name, 0, unix.STATX_TYPE, &st); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Sprint(st.Rdev_major, ":", st.Rdev_minor), nil
}

// open opens a node of the kernel until the assembly is done.
func (a *assembly) open(name string) (*File, error) {
	f, err := a.img.OpenNode(name, unix.O_RDONLY)
	if err == nil {
		a.files = append(a.files, f)
	}
	return f, err
}
