package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// A claim is a part of a disk that must not be cut off.
type claim struct {
	what string
	end  int64
	// number is that of the partition, or 0 for what is on the whole disk.
	number int
}

// A shrinkPlan is how a disk becomes smaller.
type shrinkPlan struct {
	// content becomes smaller with the disk; nil if it keeps its size.
	content *content
	// end is where its partition then ends.
	end int64
}

// number returns the number of the partition that becomes smaller, or 0.
func (p *shrinkPlan) number() int {
	if p.content == nil {
		return 0
	}
	return p.content.number()
}

// shrinkDisk makes the disk smaller, and before that what is last on it, if that has to.
func (r *resizer) shrinkDisk(a *app, args []string) error {
	p, err := r.planShrink(a, args)
	switch {
	case err != nil:
		return openError(disk.Display(r.image), err)
	case r.dry:
		if p.content != nil {
			p.content.print(a)
		}
		r.print(a)
		return nil
	case r.new == r.old:
		return nil
	case p.content != nil:
		if err := p.content.shrink(r, a); err != nil {
			return openError(disk.Display(r.image), err)
		}
	}
	r.disk.writable = true
	d, err := r.disk.open(a, r.image)
	if err != nil {
		return err
	}
	err = r.shrinkTo(d, p)
	if e := d.Close(); err == nil {
		err = e
	}
	if err != nil {
		return openError(disk.Display(r.image), err)
	}
	return nil
}

// planShrink finds out what is to be done, and whether it can be. Nothing has changed if it fails.
func (r *resizer) planShrink(a *app, args []string) (*shrinkPlan, error) {
	d, err := r.disk.bytes(a, r.image)
	if err != nil {
		return nil, err
	}
	p := &shrinkPlan{}
	err = r.planOf(a, d, p, args)
	if e := d.Close(); err == nil {
		err = e
	}
	return p, err
}

func (r *resizer) planOf(a *app, d disk.Device, p *shrinkPlan, args []string) error {
	r.old = d.Size()
	claims, table, err := claimsOn(d)
	if err != nil {
		return err
	}
	switch {
	case r.minimum:
		err = r.planContent(a, d, p, claims, table)
	case len(args) == 0:
		r.new, err = leastSize(claims, table, r.old)
	default:
		r.new, err = shrunkSize(args[0])
	}
	switch {
	case err != nil:
		return err
	case r.new > r.old:
		return fmt.Errorf("it has %d bytes, which is less than %d", r.old, r.new)
	case r.new == r.old, r.cut:
		return nil
	case !r.alone && !r.minimum && r.cutsOff(d, claims, table):
		err = r.planContent(a, d, p, claims, table)
	}
	if err == nil {
		err = r.refuse(d, p, claims, table)
	}
	if _, ok := disk.As[disk.Resizer](d); err == nil && !ok {
		err = errFixedSize
	}
	return err
}

// errFixedSize is of formats that have no [disk.Resizer], and of block devices.
var errFixedSize = errors.New("a disk that is stored so does not change its size here")

// cutsOff reports whether something has to become smaller with the disk.
func (r *resizer) cutsOff(d disk.Device, claims []claim, table *part.Table) bool {
	for _, c := range claims {
		if c.end > r.new {
			return true
		}
	}
	if table == nil || table.Type != "gpt" {
		return false
	}
	_, err := fitTable(d, table, r.new, 0, 0)
	return errors.Is(err, part.ErrNoSpace) || errors.Is(err, part.ErrLayout)
}

// planContent plans how what is last on the disk becomes smaller, with a kernel that only reads.
func (r *resizer) planContent(a *app, d disk.Device, p *shrinkPlan, claims []claim, table *part.Table) error {
	o, err := a.open(r.image, false)
	if err != nil {
		return err
	}
	p.content, err = r.newContent(a, o.img)
	if err = errors.Join(err, a.forget(o)); err != nil {
		return err
	}
	c := p.content
	bottom, start := c.levels[0].d, int64(0)
	if table == nil != (c.number() == 0) {
		return fmt.Errorf("%s is not what its partition table says", quote(bottom.Name))
	}
	if table != nil {
		start = bottom.Partition.Start
	}
	for _, other := range p.changed(claims, table, start) {
		if other.end > start && other.number != c.number() {
			return fmt.Errorf("%s is behind %s, with which the disk so cannot become smaller", other.what, quote(bottom.Name))
		}
	}
	if r.minimum {
		end := start + c.least()
		r.new, err = leastSize(p.changed(claims, table, end), table, r.old)
		if err != nil || r.new == r.old {
			p.content = nil
			return err
		}
	}
	p.end = r.new
	if table != nil {
		if p.end, err = lastEnd(d, table, r.new, c.number()); err != nil {
			return err
		}
		p.end = min(p.end, start+bottom.Size)
	}
	return c.fit(p.end - start)
}

// changed returns the claims that there are when what becomes smaller ends at end.
func (p *shrinkPlan) changed(claims []claim, table *part.Table, end int64) []claim {
	claims = slices.Clone(claims)
	for i, c := range claims {
		extended := table != nil && c.number != 0 && slices.ContainsFunc(table.Partitions, func(o part.Partition) bool {
			return o.Number == c.number && contains(o, table, p.number())
		})
		if c.end > end && (c.number == p.number() || extended) {
			claims[i].end = end
		}
	}
	return claims
}

func (r *resizer) shrinkTo(d disk.Device, p *shrinkPlan) error {
	re, ok := disk.As[disk.Resizer](d)
	if !ok {
		return errFixedSize
	}
	_, table, err := claimsOn(d)
	if err != nil {
		return err
	}
	u := &undoer{Device: d}
	if table != nil && (p.content != nil || table.Type == "gpt") && !r.cut {
		// Before the disk has its new size: whenever that is interrupted, there is a whole table.
		var e *part.Editor
		if e, err = fitTable(d, table, r.new, p.number(), p.end); err == nil {
			err = e.Commit(u)
		}
		if err == nil {
			err = d.Flush()
		}
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
		claims = append(claims, claim{"the disk with a partition table (" + foreign + ")", d.Size(), -1})
		table = nil
	case none, table.Unannounced && info.Type != "":
		// What no MBR announces is older than what is on the whole disk.
		table = nil
	}
	if table != nil {
		for _, p := range table.Partitions {
			c := claim{fmt.Sprintf("partition %d", p.Number), p.End(), p.Number}
			if p.Type == "0x42" {
				// The database of Windows' dynamic disks is at the very end.
				c = claim{"the database of a dynamic disk", d.Size(), -1}
			}
			claims = append(claims, c)
		}
	}
	if info.Type != "" {
		end := cmp.Or(info.Size, d.Size())
		if len(info.Others) > 0 || info.DataEnd != 0 {
			end = d.Size() // some of it may be at the end
		}
		claims = append(claims, claim{"the " + info.Type + " on the whole disk", end, 0})
	}
	return claims, table, nil
}

// refuse returns an error if something would be cut off that does not become smaller before.
func (r *resizer) refuse(d disk.Device, p *shrinkPlan, claims []claim, table *part.Table) error {
	known, from := "", r.new
	if p.content != nil {
		// What it has up to its old end is its own.
		for _, c := range claims {
			if c.number == p.number() {
				from = max(from, c.end)
			}
		}
		claims = p.changed(claims, table, p.end)
	}
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
	at, err := firstData(d, from)
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
