package unboot

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/md"
	"github.com/unboot/unboot/volume"
)

// load has the kernel have a volume. One that it has already stays as it is, or gets its
// new table.
func (a *assembly) load(v *volume.Volume) (*loaded, error) {
	if o := a.twin(v); o != nil {
		return nil, fmt.Errorf("%s has the same name or UUID: %w", a.describe(o), unix.EEXIST)
	}
	table := a.table(v)
	if l := a.img.loadedAs(v); l != nil {
		a.owners[volumeKey(v)] = v
		return l, a.reload(l, v, table)
	}
	if err := a.img.threadsLeft(); err != nil {
		return nil, err
	}
	l := &loaded{plan: v, table: table}
	create := a.create
	if v.Array != nil {
		create = a.assemble
	}
	if err := create(l); err != nil {
		return nil, err
	}
	a.owners[volumeKey(v)] = v
	a.img.loaded = append(a.img.loaded, l)
	if l.links = []string{l.node}; !v.Hidden {
		l.links = a.img.linkNodes(v.Nodes, l.node)
	}
	return l, nil
}

// table describes a plan with the numbers of what it lies on: those of equal plans are equal.
func (a *assembly) table(v *volume.Volume) (lines []string) {
	for _, t := range v.Table {
		lines = append(lines, t.Line(a.number))
	}
	if v.Array != nil {
		for _, s := range v.Array.Slots {
			lines = append(lines, fmt.Sprint(a.number(s.Base), " ", s.Role, " ", s.Offset, " ", s.Size))
		}
	}
	return lines
}

// number returns the numbers by which the kernel knows what volumes lie on.
func (a *assembly) number(b volume.Base) string { return a.numbers[b] }

// create makes a device of the device mapper.
func (a *assembly) create(l *loaded) error {
	if err := a.openControl(); err != nil {
		return err
	}
	v := l.plan
	d, err := a.control.Create(v.Name, v.UUID, v.ReadOnly, v.Table, a.number)
	if errors.Is(err, unix.EBUSY) && !slices.ContainsFunc(a.img.loaded, func(o *loaded) bool { return o.name == v.Name }) {
		// A tool has made it, such as lvcreate(8). Unless it is in use, it becomes the image's.
		if a.control.Remove(v.Name) == nil {
			d, err = a.control.Create(v.Name, v.UUID, v.ReadOnly, v.Table, a.number)
		}
	}
	if err != nil {
		return err
	}
	wipeKeys(v)
	l.name, l.node, l.number = v.Name, d.Node(), d.Numbers()
	return nil
}

// openControl opens the device mapper, if that was not done.
func (a *assembly) openControl() (err error) {
	if a.control == nil {
		a.control, err = dm.Open(a.img.k)
	}
	return err
}

// highestArray is the first number that mdadm(8) gives to an array which asks for none. It
// counts down from there.
const highestArray = 127

// assemble makes an array of MD. It writes nothing before something is written to it, so
// also on an image that is opened for writing.
func (a *assembly) assemble(l *loaded) error {
	used := map[int]bool{}
	for _, o := range a.img.loaded {
		if o.plan.Array != nil {
			used[o.array] = true
		}
	}
	l.array = l.plan.Array.Number
	if l.array < 0 || used[l.array] {
		for l.array = highestArray; used[l.array]; l.array-- {
		}
	}
	var err error
	if l.node, err = md.Assemble(a.img.k, l.array, l.plan.Array, a.number, l.plan.ReadOnly); err != nil {
		return err
	}
	l.number, err = a.img.numbers(l.node)
	return err
}

// reload makes a volume that the kernel has what its plan says now.
func (a *assembly) reload(l *loaded, v *volume.Volume, table []string) error {
	defer wipeKeys(v)
	a.rename(l, v)
	if !slices.Equal(table, l.table) || v.ReadOnly != l.plan.ReadOnly {
		if v.Array != nil {
			return fmt.Errorf("%s: the array has changed: %w", l.node, unix.EBUSY)
		}
		if err := a.openControl(); err != nil {
			return err
		}
		if err := a.control.Reload(v.Name, v.ReadOnly, v.Table, a.number); err != nil {
			return err
		}
		l.table = table
	} else if sameInfo(l.plan.Info, v.Info) && slices.Equal(l.plan.Problems, v.Problems) {
		return nil // callers keep the value that they have
	}
	l.plan = v
	return nil
}

// rename gives a volume the names that it has now, if a tool has renamed it in the kernel.
func (a *assembly) rename(l *loaded, v *volume.Volume) {
	if v.Array != nil || v.Name == l.name || a.openControl() != nil {
		return
	}
	if _, err := a.control.Status(v.Name); err != nil {
		return
	}
	a.img.unlinkNodes(l.links)
	l.name = v.Name
	if l.links = []string{l.node}; !v.Hidden {
		l.links = a.img.linkNodes(v.Nodes, l.node)
	}
}

// sameInfo reports whether the metadata of two plans says the same. Values that refer to those
// of other volumes compare themselves: all of a group would be compared for each volume.
func sameInfo(a, b any) bool {
	if a, ok := a.(interface{ Equal(any) bool }); ok {
		return a.Equal(b)
	}
	return reflect.DeepEqual(a, b)
}

// wipeKeys overwrites the keys in a plan, which the kernel has now.
func wipeKeys(v *volume.Volume) {
	for i := range v.Table {
		clear(v.Table[i].Key)
	}
}

// unload takes away the volumes that there are not any more. One that is in use stays.
func (a *assembly) unload() {
	for _, l := range slices.Backward(slices.Clone(a.img.loaded)) {
		if slices.Contains(a.loaded, l) {
			continue
		}
		if err := a.img.remove(l); err != nil {
			a.g.errs = append(a.g.errs, fmt.Errorf("%s has gone from its metadata, and is in use: %w", l.links[0], err))
			for _, d := range a.g.old.devices {
				if d.Volume == l.plan {
					a.g.keep(d)
				}
			}
		}
	}
}

// remove takes a volume away from the kernel.
func (img *Image) remove(l *loaded) error {
	if l.plan.Array != nil {
		if err := md.Stop(img.k, l.array); err != nil {
			return err
		}
	} else {
		control, err := dm.Open(img.k)
		if err != nil {
			return err
		}
		defer control.Close()
		// A tool may have removed it already.
		if err := control.Remove(l.name); err != nil && !errors.Is(err, unix.ENXIO) {
			return err
		}
	}
	img.unlinkNodes(l.links)
	img.loaded = slices.DeleteFunc(img.loaded, func(o *loaded) bool { return o == l })
	// Its key is gone with it: it cannot be set up from this plan once more.
	for key, plans := range img.opened {
		if slices.Contains(plans, l.plan) {
			delete(img.opened, key)
		}
	}
	return nil
}

// unlinkNodes takes away the names of a volume, and folders that are empty without them.
func (img *Image) unlinkNodes(links []string) {
	for _, link := range links {
		img.k.Unlinkat(unix.AT_FDCWD, link, 0)
		for dir := path.Dir(link); dir != "/dev"; dir = path.Dir(dir) {
			img.k.Unlinkat(unix.AT_FDCWD, dir, unix.AT_REMOVEDIR)
		}
	}
}

// linkNodes gives a node other names, and returns those that it has then. A name that
// something else has is left out: names come from the image.
func (img *Image) linkNodes(names []string, node string) (links []string) {
	if strings.HasPrefix(node, "/dev/md") {
		links = append(links, node) // everybody's name for it
	}
	for _, name := range names {
		if name == node {
			continue
		}
		if path.Clean(name) != name || !strings.HasPrefix(name, "/dev/") || strings.Count(name, "/") > 4 {
			continue
		}
		if err := img.mkdirs(path.Dir(name)); err != nil {
			continue
		}
		err := img.k.Symlinkat(node, unix.AT_FDCWD, name)
		if err == unix.EEXIST && img.leadsTo(name, node) && img.k.Unlinkat(unix.AT_FDCWD, name, 0) == nil {
			err = img.k.Symlinkat(node, unix.AT_FDCWD, name)
		}
		if err == nil {
			links = append(links, name)
		}
	}
	if len(links) == 0 {
		links = []string{node}
	}
	return links
}

// leadsTo reports whether a name below /dev that a tool has made is of a node, or of one that is
// not there any more.
func (img *Image) leadsTo(name, node string) bool {
	var a, b unix.Statx_t
	if err := img.k.Statx(unix.AT_FDCWD, name, 0, unix.STATX_TYPE, &a); err != nil {
		return err == unix.ENOENT
	}
	err := img.k.Statx(unix.AT_FDCWD, node, 0, unix.STATX_TYPE, &b)
	return err == nil && a.Mode&unix.S_IFMT == unix.S_IFBLK && a.Rdev_major == b.Rdev_major && a.Rdev_minor == b.Rdev_minor
}

// mkdirs makes a folder below /dev, and those that it lies in.
func (img *Image) mkdirs(dir string) error {
	if dir == "/dev" {
		return nil
	}
	if err := img.mkdirs(path.Dir(dir)); err != nil {
		return err
	}
	if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
