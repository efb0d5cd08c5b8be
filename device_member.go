package unboot

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/probe"
)

// A disk or partition may be one of several that only together hold something: half of
// a mirror, a piece of a striped volume. Where the metadata are at its end, or beside
// its partitions, what is in front looks like a file system of its own. To write to that
// makes the halves differ, which the array then does not know. So:
//
//   - a member is not a file system, and is never mounted unasked;
//   - one that is asked for by name can be mounted as what it looks like, for reading;
//   - it is never written to through a mount: attachMount is where all mounts pass.

// Partition types of Windows dynamic disks.
const (
	typeLDM         = "0x42"
	typeLDMData     = "af9b60a0-1431-4f62-bc68-3311714a69ad"
	typeLDMMetadata = "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"
)

// isMember reports whether a device is one of several that belong together.
func (d *Device) isMember() bool { return d.Content != nil && d.Content.Usage == probe.RAID }

// findArray returns what the partitions of a disk are members of, or nil.
func (s *scan) findArray() *probe.Info {
	if ldm := s.findLDM(); ldm != nil {
		return ldm
	}
	c := s.content
	if c == nil || c.Usage != probe.RAID || c.DataEnd == 0 {
		return nil
	}
	// An array never lets anything lie where its metadata are. Where a partition does,
	// these are left from an earlier use of the disk, or the partition's own: the end of
	// the last partition may be the end of the disk for md 0.90.
	if s.table != nil {
		for i := range s.table.Partitions {
			if p := &s.table.Partitions[i]; p.Start < c.DataEnd && p.End() > c.DataEnd && p.End() <= s.size {
				return nil
			}
		}
	}
	return c
}

// findLDM returns what a Windows dynamic disk is. Its table announces it.
func (s *scan) findLDM() *probe.Info {
	if s.table == nil {
		return nil
	}
	for i := range s.table.Partitions {
		switch p := &s.table.Partitions[i]; p.Type {
		case typeLDM:
			return probe.LDM(s.r, s.size, probe.LDMOffsets(s.size)...)
		case typeLDMMetadata:
			offsets := probe.LDMOffsets(p.Size)
			for i := range offsets {
				offsets[i] += p.Start
			}
			return probe.LDM(s.r, s.size, offsets...)
		}
	}
	return nil
}

// asMember returns what a partition holds that is part of the disk's array: c by itself.
func (s *scan) asMember(number int, c *probe.Info) *probe.Info {
	if s.array == nil || s.array.Type == "ldm_member" && !s.inLDM(number) {
		return c
	}
	m := &probe.Info{Type: s.array.Type, Usage: probe.RAID}
	if c != nil {
		m.Others = append([]string{c.Type}, c.Others...)
		m.BlockSize = c.BlockSize
	}
	return m
}

// inLDM reports whether a partition of a dynamic disk is under LDM's control. Of a GPT
// it leaves out the EFI system partition and the like.
func (s *scan) inLDM(number int) bool {
	p := s.entry(number)
	if p == nil || s.table.Type != "gpt" {
		return true
	}
	return p.Type == typeLDMData || p.Type == typeLDMMetadata
}

// apparent returns the type of file system that a device is, or looks like if it is a
// member; "" if none can be mounted.
func (d *Device) apparent() string {
	switch c := d.Content; {
	case canMount(c):
		return c.Type
	case d.isMember():
		for _, t := range c.Others {
			if hasDriver(t) {
				return t
			}
		}
	}
	return ""
}

// mountWhole is mountAt for a device that was not asked for by name: never for members.
func (f *FS) mountWhole(m Mount) error {
	if d, err := f.t.img.Device(m.Device); err == nil && d.isMember() {
		return fmt.Errorf("%s is a part of something bigger (%s)", d.Name, d.Content.Type)
	}
	return f.mountAt(m)
}

// protectMember sees to it that a mount does not write to a member. Replaying a journal
// writes too, even when it only reads: for the kernel, the device is read-only.
func (img *Image) protectMember(d *Device, m *Mount) error {
	if !d.isMember() || !img.writable {
		return nil
	}
	if !m.ReadOnly {
		return &MountError{Device: d.Name, Type: m.Type, Err: fmt.Errorf(
			"%w: it is a part of something bigger (%s), and can be mounted only for reading", unix.EROFS, d.Content.Type)}
	}
	if d.Kind == KindLoop {
		return nil // attached for reading, and another file's next time
	}
	fd, err := img.k.Open(d.Name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = img.k.Ioctl(fd, unix.BLKROSET, []byte{1, 0, 0, 0})
		img.k.CloseFd(fd)
	}
	if err != nil {
		return &MountError{Device: d.Name, Type: m.Type, Err: fmt.Errorf("making it read-only: %w", err)}
	}
	return nil
}
