package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// A claim is a part of a disk that must not be cut off.
type claim struct {
	what string
	end  int64
}

// shrinkDisk makes the disk smaller, and nothing that is on it.
func (r *resizer) shrinkDisk(a *app, args []string) error {
	r.disk.writable = !r.dry
	d, err := r.disk.open(a, r.image)
	if err != nil {
		return err
	}
	err = r.shrinkTo(d, args)
	if e := d.Close(); err == nil {
		err = e
	}
	if err != nil {
		return openError(disk.Display(r.image), err)
	}
	if r.dry {
		r.print(a)
	}
	return nil
}

func (r *resizer) shrinkTo(d disk.Device, args []string) error {
	r.old = d.Size()
	claims, table, err := claimsOn(d)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		r.new, err = leastSize(claims, table, r.old)
	} else {
		r.new, err = shrunkSize(args[0])
	}
	switch {
	case err != nil:
		return err
	case r.new > r.old:
		return fmt.Errorf("it has %d bytes, which is less than %d", r.old, r.new)
	case r.new == r.old:
		return nil
	}
	if !r.cut {
		if err := r.refuse(d, claims, table); err != nil {
			return err
		}
	}
	re, ok := disk.As[disk.Resizer](d)
	switch {
	case r.dry:
		return nil
	case !ok:
		return errors.New("a disk that is stored so does not change its size here")
	}
	u := &undoer{Device: d}
	if table != nil && table.Type == "gpt" && !r.cut {
		err = moveBackup(u, r.new, table.SectorSize)
	}
	if err == nil {
		err = re.Resize(r.new)
	}
	if err != nil && d.Size() == r.old {
		// As a block device, or a format with snapshots: then it is as it was.
		return errors.Join(err, u.undo())
	}
	if err != nil {
		return err
	}
	return d.Flush()
}

// An undoer keeps what was where it is written to, which is little.
type undoer struct {
	disk.Device
	was []part.Write
}

func (u *undoer) WriteAt(p []byte, off int64) (int, error) {
	b := make([]byte, len(p))
	if n, err := u.ReadAt(b, off); n < len(b) {
		return 0, err
	}
	u.was = append(u.was, part.Write{Off: off, Data: b})
	return u.Device.WriteAt(p, off)
}

// undo writes what was there, the last first: there is a whole table at any time, as before.
func (u *undoer) undo() error {
	for i := len(u.was) - 1; i >= 0; i-- {
		if _, err := u.Device.WriteAt(u.was[i].Data, u.was[i].Off); err != nil {
			return err
		}
		if err := u.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// shrunkSize reads the size that a disk is to have.
func shrunkSize(arg string) (int64, error) {
	if strings.HasPrefix(arg, "+") {
		return 0, badUsage("%q: with --shrink, a size is that of the disk", arg)
	}
	n, err := parseSize(arg)
	if err != nil {
		return 0, badUsage("%q: %v", arg, err)
	}
	return max((n+disk.MinSize-1)&^(disk.MinSize-1), disk.MinSize), nil
}

// leastSize returns the smallest size at which nothing is cut off.
func leastSize(claims []claim, table *part.Table, old int64) (int64, error) {
	const grain = 1 << 20
	if len(claims) == 0 {
		return 0, errors.New("nothing on the disk is known: say how large it is to be")
	}
	end := int64(0)
	for _, c := range claims {
		end = max(end, c.end)
	}
	end = (end + grain - 1) &^ (grain - 1)
	if table != nil && table.Type == "gpt" {
		end += grain // for the backup
	}
	return min(end, old), nil
}

// claimsOn returns what is on a disk, and its partition table if it has one.
func claimsOn(d disk.Device) ([]claim, *part.Table, error) {
	var claims []claim
	table, err := part.Read(d, d.Size(), 0)
	none := errors.Is(err, part.ErrNoTable)
	if err != nil && !none {
		return nil, nil, err
	}
	info, err := probe.Probe(d, d.Size())
	if err != nil {
		return nil, nil, err
	}
	switch foreign := part.Foreign(d, d.Size()); {
	case none && foreign != "":
		// The first partition may begin where the disk does, and is not all there is.
		claims = append(claims, claim{"the disk with a partition table (" + foreign + ")", d.Size()})
		table = nil
	case none, table.Unannounced && info.Type != "":
		// What no MBR announces is older than what is on the whole disk.
		table = nil
	}
	if table != nil {
		for _, p := range table.Partitions {
			c := claim{fmt.Sprintf("partition %d", p.Number), p.End()}
			if p.Type == "0x42" {
				// The database of Windows' dynamic disks is at the very end.
				c = claim{"the database of a dynamic disk", d.Size()}
			}
			claims = append(claims, c)
		}
	}
	if info.Type != "" {
		end := cmp.Or(info.Size, d.Size())
		if len(info.Others) > 0 || info.DataEnd != 0 {
			end = d.Size() // some of it may be at the end
		}
		claims = append(claims, claim{"the " + info.Type + " on the whole disk", end})
	}
	return claims, table, nil
}

// refuse returns an error if something would be cut off.
func (r *resizer) refuse(d disk.Device, claims []claim, table *part.Table) error {
	known := ""
	for _, c := range claims {
		if c.end > r.new {
			return fmt.Errorf("%s ends at %d, and would be cut off at %d (--cut does so)", c.what, min(c.end, r.old), r.new)
		}
		known = c.what
	}
	if table != nil {
		return nil
	}
	// No table says what else there is, such as the hashes of a dm-verity behind its file
	// system: then what has been written counts.
	at, err := firstData(d, r.new)
	switch {
	case err != nil || at < 0:
		return err
	case known == "":
		return fmt.Errorf("nothing on the disk is known, and what is at %d would be cut off (--cut does so)", at)
	}
	return fmt.Errorf("what is at %d, behind %s, would be cut off (--cut does so)", at, known)
}

// firstData returns where the first bytes that are not zeros are from an offset on, or -1.
func firstData(d disk.Device, off int64) (int64, error) {
	b := make([]byte, 1<<20)
	x, ok := disk.As[disk.Extenter](d)
	look := func(off, n int64) (int64, error) {
		for n > 0 {
			p := b[:min(n, int64(len(b)))]
			if got, err := d.ReadAt(p, off); got < len(p) {
				return -1, err
			}
			for i, c := range p {
				if c != 0 {
					return off + int64(i), nil
				}
			}
			off, n = off+int64(len(p)), n-int64(len(p))
		}
		return -1, nil
	}
	if !ok {
		return look(off, d.Size()-off)
	}
	for e, err := range x.Extents(off, d.Size()-off) {
		if err != nil {
			return -1, err
		}
		if e.Kind == disk.Hole || e.Kind == disk.Zero {
			continue
		}
		if at, err := look(e.Start, e.Size); err != nil || at >= 0 {
			return at, err
		}
	}
	return -1, nil
}

// moveBackup gives a GPT the backup that it has on a disk of another size, before the disk has
// it: whenever that is interrupted, there is a whole table.
func moveBackup(d disk.Device, size int64, sector int) error {
	e, err := part.Edit(d, size, part.EditOptions{SectorSize: sector})
	if err == nil {
		err = e.Expand()
	}
	if err == nil {
		err = e.Commit(d)
	}
	if err != nil {
		return err
	}
	return d.Flush()
}
