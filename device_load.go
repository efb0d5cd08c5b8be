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
	"github.com/unboot/unboot/volume"
)

// load has the kernel have a volume. One that it has already stays as it is, or gets its
// new table.
func (a *assembly) load(v *volume.Volume) (*loaded, error) {
	if a.control == nil {
		var err error
		if a.control, err = dm.Open(a.img.k); err != nil {
			return nil, err
		}
	}
	number := func(b volume.Base) string { return a.numbers[b] }
	var table []string
	for _, t := range v.Table {
		table = append(table, t.Line(number))
	}
	if l := a.img.loadedAs(v); l != nil {
		return l, a.reload(l, v, table)
	}
	d, err := a.control.Create(v.Name, v.UUID, v.ReadOnly, v.Table, number)
	if err != nil {
		return nil, err
	}
	wipeKeys(v)
	l := &loaded{plan: v, name: v.Name, node: d.Node(), number: d.Numbers(), table: table}
	a.img.loaded = append(a.img.loaded, l)
	if l.links = []string{l.node}; !v.Hidden {
		l.links = a.img.linkNodes(v.Nodes, l.node)
	}
	return l, nil
}

// reload makes a volume that the kernel has what its plan says now.
func (a *assembly) reload(l *loaded, v *volume.Volume, table []string) error {
	if !slices.Equal(table, l.table) || v.ReadOnly != l.plan.ReadOnly {
		number := func(b volume.Base) string { return a.numbers[b] }
		if err := a.control.Reload(v.Name, v.ReadOnly, v.Table, number); err != nil {
			return err
		}
		wipeKeys(v)
		l.table = table
	} else if reflect.DeepEqual(l.plan.Info, v.Info) && slices.Equal(l.plan.Problems, v.Problems) {
		return nil // callers keep the value that they have
	}
	l.plan = v
	return nil
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
	control, err := dm.Open(img.k)
	if err != nil {
		return err
	}
	defer control.Close()
	if err := control.Remove(l.name); err != nil {
		return err
	}
	for _, link := range l.links {
		img.k.Unlinkat(unix.AT_FDCWD, link, 0)
		img.k.Unlinkat(unix.AT_FDCWD, path.Dir(link), unix.AT_REMOVEDIR)
	}
	img.loaded = slices.DeleteFunc(img.loaded, func(o *loaded) bool { return o == l })
	return nil
}

// removeVolumes takes all volumes away, so that what they hold back is on the disks.
func (img *Image) removeVolumes() error {
	var errs []error
	for _, l := range slices.Backward(slices.Clone(img.loaded)) {
		if err := img.remove(l); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.plan.Name, err))
		}
	}
	return errors.Join(errs...)
}

// linkNodes gives a node other names, and returns those that it has then. A name that
// something else has is left out: names come from the image.
func (img *Image) linkNodes(names []string, node string) (links []string) {
	for _, name := range names {
		if name == node {
			links = append(links, name)
			continue
		}
		if path.Clean(name) != name || !strings.HasPrefix(name, "/dev/") || strings.Count(name, "/") > 3 {
			continue
		}
		dir := path.Dir(name)
		if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			continue
		}
		if err := img.k.Symlinkat(node, unix.AT_FDCWD, name); err == nil {
			links = append(links, name)
		}
	}
	if len(links) == 0 {
		links = []string{node}
	}
	return links
}
