package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
)

var resizeCommand = command{
	name:     "resize",
	short:    "resize a disk, and what is on it",
	synopsis: []string{"[OPTION...] IMAGE [SIZE]"},
	brief:    "IMAGE [SIZE]",
	long: `Makes the disk in IMAGE SIZE bytes large, or with +SIZE larger by that, or leaves it as it
is without one. Then what lies last on it grows into the room there is: the partition, the
physical volume or the encrypted volume in it, the logical volume, and the file system (ext2
to ext4, XFS, btrfs or NTFS), one on the other.

By default, that is the last partition, or with a logical volume or a file system on the
whole disk, that. --device names another one: what it lies on has to be last on the disk.

With --shrink, the disk becomes smaller. Without a SIZE, that is as small as it can be while what
is on it keeps its size. What is last on it becomes smaller first if it would be cut off: the
file system (ext2 to ext4 and NTFS, by resize2fs and ntfsresize of this host, or btrfs), the
logical volume, the physical volume or the encrypted volume below it, and the partition. What
cannot become smaller, such as an XFS, or as small, is an error, and nothing has changed then.
With --minimum, it becomes as small as its files let it. With --disk-only, everything keeps its
size, and what would be cut off is an error, unless --cut says that it may be lost.

If that is interrupted, nothing is lost, and it can be repeated; a file system may have to be
checked first: an NTFS by chkdsk of Windows, if that was in the moment in which its tables are
written. What moves on an NTFS is kept in TMPDIR until then.

With --dry-run, it prints what it would do, in that order, and changes nothing.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		r := &resizer{}
		f.string(&r.device, "", "device", "DEVICE", "what is to grow or shrink, such as /dev/sda3 or /dev/vg/root").kind = kindDevice
		f.bool(&r.alone, "", "disk-only", "leave alone what is on the disk")
		f.bool(&r.shrink, "", "shrink", "make the disk smaller, and what is last on it if it must")
		f.bool(&r.minimum, "", "minimum", "with --shrink: as small as the files on it let it")
		f.bool(&r.cut, "", "cut", "with --shrink: also where something is, which is lost")
		f.bool(&r.dry, "n", "dry-run", "change nothing")
		return r.run
	},
	examples: []string{"unboot resize disk.qcow2 +10G", "unboot resize --device /dev/vg/root --key all:file:key disk.img 100G", "unboot resize --shrink --dry-run disk.img 20G"},
	image:    true,
}

type resizer struct {
	device     string
	alone, dry bool
	// shrink makes the disk smaller, cut whatever is there, minimum as small as can be.
	shrink, cut, minimum bool
	disk                 diskOpener

	image    string
	old, new int64
	steps    []growStep
}

// A growStep is something on the disk that grows.
type growStep struct {
	device string
	kind   unboot.Kind
	// partition is its number, or 0.
	partition int
	content   string // the type of what is on it
}

func (r *resizer) run(a *app, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return badUsage("expected IMAGE and SIZE")
	}
	r.image = args[0]
	name := disk.Display(r.image)
	switch {
	case r.cut && !r.shrink:
		return badUsage("--cut is for --shrink")
	case r.minimum && (!r.shrink || r.cut || r.alone || len(args) > 1):
		return badUsage("--minimum is for --shrink, without a SIZE")
	case r.shrink && r.device != "" && (r.alone || r.cut):
		return badUsage("--device does not go with --disk-only or --cut")
	case r.shrink:
		return r.shrinkDisk(a, args[1:])
	}
	if err := r.sizes(a, args[1:]); err != nil {
		return err
	}
	if !r.alone {
		if err := r.plan(a); err != nil {
			return err
		}
	}
	if r.dry || len(r.steps) == 0 && r.old == r.new {
		r.print(a)
		return nil
	}
	if err := r.growDisk(a); err != nil {
		return openError(name, err)
	}
	return r.growContent(a)
}

// sizes finds out how large the disk is and is to be.
func (r *resizer) sizes(a *app, args []string) error {
	d, err := r.disk.open(a, r.image)
	if err != nil {
		return err
	}
	r.old = d.Size()
	r.new = r.old
	if err := d.Close(); err != nil || len(args) == 0 {
		return err
	}
	more, relative := strings.CutPrefix(args[0], "+")
	size, err := parseSize(more)
	if err != nil {
		return badUsage("%q: %v", args[0], err)
	}
	if r.new = (size + disk.MinSize - 1) &^ (disk.MinSize - 1); relative {
		r.new += r.old
	}
	if r.new < r.old {
		return fmt.Errorf("%s: it has %d bytes, and does not become smaller without --shrink", quote(disk.Display(r.image)), r.old)
	}
	return nil
}

// plan finds out what is to grow, with a kernel that only reads.
func (r *resizer) plan(a *app) error {
	o, err := a.open(r.image, false)
	if err != nil {
		return err
	}
	err = r.planOn(o.img)
	return errors.Join(err, a.forget(o))
}

func (r *resizer) planOn(img *unboot.Image) error {
	top, err := r.target(img)
	if err != nil {
		return err
	}
	for d := top; d != nil; d = below(d) {
		s := growStep{device: d.Name, kind: d.Kind}
		if d.Content != nil {
			s.content = d.Content.Type
		}
		if d.Partition != nil {
			s.partition = d.Partition.Number
		}
		r.steps = append(r.steps, s)
		if d.Kind == unboot.KindPartition || d.Kind == unboot.KindDisk {
			break
		}
	}
	slices.Reverse(r.steps)
	if first := r.steps[0]; first.kind != unboot.KindPartition && first.kind != unboot.KindDisk {
		return fmt.Errorf("%s is not on a partition that could grow", quote(top.Name))
	}
	return nil
}

// target returns the device that is to grow: the last partition, and if that holds volumes,
// those too if there is only one on each.
func (r *resizer) target(img *unboot.Image) (*unboot.Device, error) {
	if r.device != "" {
		return img.Device(r.device)
	}
	var last *unboot.Device
	for _, d := range img.Devices() {
		if d.Kind == unboot.KindDisk && last == nil {
			last = d
		}
		onFirst := d.Kind == unboot.KindPartition && len(d.Disks()) > 0 && d.Disks()[0].Name == img.Disks()[0].Name
		if onFirst && d.Content != nil && (last.Kind == unboot.KindDisk || d.Partition.Start > last.Partition.Start) {
			last = d
		}
	}
	if last == nil {
		return nil, errors.New("nothing on the disk is known")
	}
	for last.Kind != unboot.KindDisk && len(last.Children()) == 1 {
		last = last.Children()[0]
	}
	return last, nil
}

// below returns what a device lies on; of several devices, the one that is last on its disk.
func below(d *unboot.Device) *unboot.Device {
	var last *unboot.Device
	for _, p := range d.Parents() {
		if last == nil || p.Partition != nil && (last.Partition == nil || p.Partition.Start > last.Partition.Start) {
			last = p
		}
	}
	return last
}

// print answers --dry-run.
func (r *resizer) print(a *app) {
	if r.new != r.old {
		fmt.Fprintf(a.out, "the disk: from %d to %d bytes\n", r.old, r.new)
	}
	for _, s := range r.steps {
		if s.content == "" {
			fmt.Fprintln(a.out, s.device)
		} else {
			fmt.Fprintf(a.out, "%s: %s\n", s.device, s.content)
		}
	}
}

// growDisk makes the disk larger, and then the partition, of which no kernel knows.
func (r *resizer) growDisk(a *app) error {
	r.disk.writable = true
	d, err := r.disk.bytes(a, r.image)
	if err != nil {
		return err
	}
	if r.new != r.old {
		re, ok := disk.As[disk.Resizer](d)
		if !ok {
			err = errFixedSize
		} else {
			err = re.Resize(r.new)
		}
	}
	if err == nil && len(r.steps) > 0 {
		err = growPartition(d, r.steps[0].partition)
	}
	if err == nil {
		err = d.Flush()
	}
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}

// growPartition moves the end of a partition to the end of the disk, and that of an extended
// one which it is in. The number is 0 if the disk has no partitions that matter.
func growPartition(d disk.Device, number int) error {
	e, err := part.Edit(d, d.Size(), part.EditOptions{})
	if errors.Is(err, part.ErrNoTable) && number == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if e.Type() == "gpt" {
		if err := e.Expand(); err != nil {
			return err
		}
	}
	t, err := e.Table()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(t.Partitions, func(p part.Partition) bool { return p.Number == number })
	if number != 0 && i < 0 {
		return fmt.Errorf("partition %d: %w", number, part.ErrNoPartition)
	}
	if number != 0 {
		if err := growEntry(e, t, &t.Partitions[i]); err != nil {
			return err
		}
	}
	return e.Commit(d)
}

// growEntry grows a partition up to what follows it.
func growEntry(e *part.Editor, t *part.Table, p *part.Partition) error {
	end := p.End()
	for _, f := range append(e.Free(part.Primary), e.Free(part.Logical)...) {
		if follows(t, p, f) {
			end = max(end, (f.Start+f.Size)/grain*grain)
		}
	}
	if end == p.End() {
		return nil
	}
	for _, o := range t.Partitions {
		if o.Extended && o.Start < p.Start && o.End() >= p.End() && o.End() < end {
			if err := e.Resize(o.Number, end); err != nil {
				return err
			}
		}
	}
	return e.Resize(p.Number, end)
}

// follows reports whether a free range follows a partition, with no other one before it.
func follows(t *part.Table, p *part.Partition, f part.Range) bool {
	return f.Start >= p.End() && !slices.ContainsFunc(t.Partitions, func(o part.Partition) bool {
		return o.Number != p.Number && !o.Extended && o.Start >= p.End() && o.Start < f.Start+f.Size
	})
}

// growContent grows what is on the disk, from the partition upward.
func (r *resizer) growContent(a *app) error {
	if len(r.steps) == 0 {
		return nil
	}
	o, err := a.open(r.image, true)
	if err != nil {
		return err
	}
	for _, s := range r.steps {
		if s.kind == unboot.KindLVM {
			err = r.tool(a, o, "lvextend", "-l", "+100%FREE", s.device)
		}
		if err == nil && s.content == "LVM2_member" {
			err = r.tool(a, o, "pvresize", s.device)
		}
		if err != nil {
			return err
		}
	}
	top := r.steps[len(r.steps)-1]
	switch top.content {
	case "ext2", "ext3", "ext4", "xfs", "btrfs":
	case "ntfs":
		_, err := r.output(a, o.img, strings.NewReader("y\n"), "ntfsresize", "-P", top.device)
		return err
	case "LVM2_member", "":
		return nil
	default:
		a.warn(fmt.Errorf("%s: what is on it (%s) keeps its size", quote(top.device), printable(top.content)))
		return nil
	}
	tree, err := o.img.Mount(top.device)
	if err == nil {
		err = tree.Grow()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", quote(top.device), reason(err))
	}
	return nil
}

// tool runs a program of the host on the image's devices. That there is nothing left of a
// volume group is no error.
func (r *resizer) tool(a *app, o *opened, name string, args ...string) error {
	out, err := r.output(a, o.img, nil, name, args...)
	if err != nil && !strings.Contains(out, "matches existing size") {
		return err
	}
	return o.img.Rescan()
}
