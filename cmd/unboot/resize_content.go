package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/luks"
	"github.com/unboot/unboot/volume/lvm"
	"github.com/unboot/unboot/volume/part"
)

// grain is what the ends of partitions are aligned to, in bytes, as their starts are.
const grain = 1 << 20

// A content is what is last on a disk and becomes smaller with it: devices that lie on each
// other, of which the first is a partition, or the disk, and what is on the last one. The order
// in which they become smaller is from the last to the first, and then the disk: whenever that
// ends, everything fits into what it lies on.
type content struct {
	levels []*level
	// fs makes what is on the last level smaller; nil if that is a physical volume.
	fs *fsShrinker
	// fsSize, fsLeast and fsNew are what the file system has, needs, and is to have, in bytes.
	fsSize, fsLeast, fsNew int64
}

// A level is a device that becomes smaller.
type level struct {
	d    *unboot.Device
	size int64 // that it is to have, in bytes
	// volume is set if the device holds a physical volume.
	volume *lastVolume
}

// number returns that of the partition which all lies on, or 0 if it is the whole disk.
func (c *content) number() int {
	if p := c.levels[0].d.Partition; p != nil {
		return p.Number
	}
	return 0
}

func (c *content) top() *unboot.Device { return c.levels[len(c.levels)-1].d }

// newContent finds out what is to become smaller, and whether it can.
func (r *resizer) newContent(a *app, img *unboot.Image) (*content, error) {
	top, err := r.target(img)
	if err != nil {
		return nil, err
	}
	c := &content{}
	for d := top; d != nil; d = below(d) {
		c.levels = append(c.levels, &level{d: d})
		if len(d.Parents()) > 1 {
			return nil, fmt.Errorf("%s lies on several devices", quote(d.Name))
		}
		if d.Kind == unboot.KindPartition || d.Kind == unboot.KindDisk {
			break
		}
	}
	slices.Reverse(c.levels)
	bottom := c.levels[0].d
	if bottom.Kind != unboot.KindPartition && bottom.Kind != unboot.KindDisk || bottom.Disks()[0].Name != img.Disks()[0].Name {
		return nil, fmt.Errorf("%s is not on the disk that is to become smaller", quote(top.Name))
	}
	for i, l := range c.levels {
		var above *unboot.Device
		if i+1 < len(c.levels) {
			above = c.levels[i+1].d
		}
		if err := l.look(above); err != nil {
			return nil, fmt.Errorf("%s: %w", quote(l.d.Name), err)
		}
	}
	if c.levels[len(c.levels)-1].volume != nil {
		return c, nil
	}
	if c.fs, err = shrinkerOf(top); err == nil {
		c.fsSize = top.Content.Size
		c.fsLeast, err = c.fs.least(r, a, img, top)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(top.Name), err)
	}
	return c, nil
}

// look finds out whether a level can become smaller with what lies on it, which is nil for the
// last one.
func (l *level) look(above *unboot.Device) error {
	if l.d.Content != nil && l.d.Content.Type == "LVM2_member" {
		return l.lookVolume(above)
	}
	if above == nil {
		return nil
	}
	var header *luks.Header
	if above.Volume != nil {
		header, _ = above.Volume.Info.(*luks.Header)
	}
	switch {
	case header == nil || len(l.d.Children()) != 1:
		return fmt.Errorf("what is on it (%s) does not become smaller here", above.Kind)
	case len(header.Segments) != 1 || header.Segments[0].Size != -1 || header.Segments[0].Integrity != "":
		return errors.New("its LUKS header says how large it is, or it has integrity")
	}
	return nil
}

func (l *level) lookVolume(above *unboot.Device) error {
	v := &lastVolume{}
	on := above
	if children := l.d.Children(); on == nil && len(children) > 0 {
		on = children[0]
	}
	var lv *lvm.LV
	if on != nil && on.Volume != nil {
		lv, _ = on.Volume.Info.(*lvm.LV)
	}
	if lv == nil {
		return errors.New("nothing is known of the volume group on it")
	}
	for _, pv := range lv.VG.PVs {
		if pv.Member != nil && pv.Member.Name == l.d.Name {
			v.pv = pv
		}
	}
	if v.pv == nil {
		return fmt.Errorf("the volume group %s does not know it", printable(lv.VG.Name))
	}
	if above != nil {
		v.lv = lv
	}
	l.volume = v
	return v.check()
}

// fit computes all sizes from that of the first level, in bytes.
func (c *content) fit(size int64) error {
	for i, l := range c.levels {
		if i > 0 {
			on := c.levels[i-1]
			switch {
			case on.volume != nil:
				v := on.volume
				left, err := v.left((on.size - v.pv.Start) / v.pv.VG.ExtentSize)
				if err != nil {
					return err
				}
				size = left * v.pv.VG.ExtentSize
			default:
				size -= on.d.Size - l.d.Size
			}
		}
		if l.size = min(size, l.d.Size); l.size <= 0 {
			return fmt.Errorf("nothing would be left of %s", quote(l.d.Name))
		}
	}
	last := c.levels[len(c.levels)-1]
	if v := last.volume; v != nil {
		_, err := v.left((last.size - v.pv.Start) / v.pv.VG.ExtentSize)
		return err
	}
	unit := c.fs.unit(last.d)
	if c.fsNew = last.size / unit * unit; c.fsNew >= c.fsSize {
		c.fsNew = c.fsSize
	} else if c.fsNew < c.fsLeast {
		return fmt.Errorf("%s: the %s on it needs %d bytes, and would have %d", quote(last.d.Name), printable(last.d.Content.Type), c.fsLeast, c.fsNew)
	}
	return nil
}

// least returns what the first level needs at least, in bytes.
func (c *content) least() int64 {
	last := c.levels[len(c.levels)-1]
	size := int64(0)
	if c.fs != nil {
		unit := c.fs.unit(last.d)
		size = (min(c.fsLeast, c.fsSize) + unit - 1) / unit * unit
	}
	for i, l := range slices.Backward(c.levels) {
		switch {
		case l.volume != nil:
			v, extent := l.volume, l.volume.pv.VG.ExtentSize
			size = v.pv.Start + v.needed((size+extent-1)/extent)*extent
		case i+1 < len(c.levels):
			size += l.d.Size - c.levels[i+1].d.Size
		}
	}
	return min(size, c.levels[0].d.Size)
}

// print says what would be done, in the order in which it is.
func (c *content) print(a *app) {
	line := func(name, what string, from, to int64) {
		if to < from {
			fmt.Fprintf(a.out, "%s: %s from %d to %d bytes\n", quote(name), what, from, to)
		}
	}
	if c.fs != nil {
		line(c.top().Name, printable(c.top().Content.Type), c.fsSize, c.fsNew)
	}
	for _, l := range slices.Backward(c.levels) {
		if l.volume != nil {
			line(l.d.Name, "LVM2_member", l.volume.pv.Size, l.size)
		}
		if l.d.Kind != unboot.KindDisk {
			line(l.d.Name, string(l.d.Kind), l.d.Size, l.size)
		}
	}
}

// shrink makes everything on the first level smaller, the last first. The image is not open.
func (c *content) shrink(r *resizer, a *app) error {
	if c.mayShrinkApart(a) {
		if err := c.shrinkApart(r, a); !errors.Is(err, errNoLayout) {
			return err
		}
	}
	o, err := a.open(r.image, true)
	if err != nil {
		return err
	}
	err = c.shrinkOn(r, a, o)
	return errors.Join(err, a.forget(o))
}

func (c *content) shrinkOn(r *resizer, a *app, o *opened) error {
	if c.fs != nil && c.fsNew < c.fsSize {
		d, err := o.img.Device(c.top().Name)
		if err == nil {
			err = c.fs.shrink(r, a, o.img, d, c.fsNew)
		}
		if err == nil {
			err = o.img.Rescan()
		}
		if err == nil {
			// Whatever the tool says: what is cut off below is what the superblock does not claim.
			err = c.checkFS(o.img)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(c.top().Name), err)
		}
	}
	for i, l := range slices.Backward(c.levels) {
		if l.d.Kind == unboot.KindLVM && l.size < l.d.Size {
			extents := l.size / c.levels[i-1].volume.pv.VG.ExtentSize
			if err := r.tool(a, o, "lvreduce", "-f", "-y", "-l", fmt.Sprint(extents), l.d.Name); err != nil {
				return err
			}
		}
		if l.volume != nil && l.size < l.d.Size {
			if err := r.tool(a, o, "pvresize", "-y", "--setphysicalvolumesize", fmt.Sprint(l.size, "b"), l.d.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *content) checkFS(img *unboot.Image) error {
	d, err := img.Device(c.top().Name)
	if err != nil {
		return err
	}
	if d.Content == nil || d.Content.Type != c.top().Content.Type || d.Content.Size > c.fsNew {
		return errors.New("the file system has not become as small as it was to be")
	}
	return nil
}

// fitTable returns an editor that gives a disk of another size its partition table, in which a
// partition ends at end, or as it does if number is 0. The error wraps [part.ErrNoSpace] or
// [part.ErrLayout] if the table and the partitions have no room.
func fitTable(d disk.Device, table *part.Table, size int64, number int, end int64) (*part.Editor, error) {
	e, err := part.Edit(d, size, part.EditOptions{SectorSize: table.SectorSize})
	if err != nil {
		return nil, err
	}
	if number != 0 {
		if err := e.Resize(number, end); err != nil {
			return nil, err
		}
		for _, p := range table.Partitions {
			if p.Extended && p.Number != number && contains(p, table, number) && p.End() > end {
				if err := e.Resize(p.Number, end); err != nil {
					return nil, err
				}
			}
		}
	}
	if e.Type() == "gpt" {
		if err := e.Expand(); err != nil {
			return nil, err
		}
	}
	_, err = e.Plan()
	return e, err
}

// contains reports whether a partition is an extended one with another one in it.
func contains(p part.Partition, table *part.Table, number int) bool {
	return p.Extended && slices.ContainsFunc(table.Partitions, func(o part.Partition) bool {
		return o.Number == number && o.Start >= p.Start && o.End() <= p.End() && o.Number != p.Number
	})
}

// lastEnd returns where a partition ends on a disk of another size: aligned, and with room for
// the table.
func lastEnd(d disk.Device, table *part.Table, size int64, number int) (end int64, err error) {
	// More than the backup of a GPT takes.
	for end = size / grain * grain; end > 0 && end > size-4*grain; end -= grain {
		_, err = fitTable(d, table, size, number, end)
		if !errors.Is(err, part.ErrNoSpace) && !errors.Is(err, part.ErrLayout) {
			break
		}
	}
	return end, err
}
