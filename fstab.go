package unboot

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// followFstab mounts what the fstab of an operating system names. What it
// cannot mount it notes as a problem of the tree.
func (f *FS) followFstab() {
	data, err := f.ReadFile("etc/fstab")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.problem("%v", err)
		}
		return
	}
	entries, problems, err := fstab.Parse(bytes.NewReader(data))
	for _, p := range append(problems, err) {
		if p != nil {
			f.problem("%v", p)
		}
	}
	mounts := map[string]Mount{}
	devices := f.t.img.found.Load().devices
	meanings := fstabTable(entries, devices, f.Mounts()[0].Device).Resolve()
	for i := range entries {
		e := &entries[i]
		if !e.IsReal() || e.NoAuto() || e.IsBind() || e.IsRoot() {
			continue
		}
		n, why := meanings[i].Device, meanings[i].Why
		if n < 0 {
			f.problem("%s is not mounted: %s: %s", e.File, e.Spec, cmp.Or(why, ErrNotFound.Error()))
			continue
		}
		o := fstab.SplitOptions(e.Options)
		m := Mount{Device: devices[n].Name, Dir: CleanPath(e.File), ReadOnly: o.ReadOnly, Data: strings.Join(o.Visible(), ",")}
		mounts[m.Dir] = m // the last one covers those before
	}
	list := slices.Collect(maps.Values(mounts))
	slices.SortFunc(list, func(a, b Mount) int {
		return cmp.Or(cmp.Compare(depth(a.Dir), depth(b.Dir)), strings.Compare(a.Dir, b.Dir))
	})
	for _, m := range list {
		m.ReadOnly = m.ReadOnly || f.ReadOnly()
		if err := f.mountWhole(m); err != nil {
			f.problem("/%s is not mounted: %v", m.Dir, err)
		}
	}
}

// fstabTable returns what the entries of a fstab are looked up in.
func fstabTable(entries []fstab.Entry, devices []*Device, root string) *fstab.Table {
	t := &fstab.Table{Entries: entries, Root: -1}
	for i, d := range devices {
		t.Devices = append(t.Devices, d.identity())
		if d.Name == root {
			t.Root = i
		}
	}
	return t
}

func (f *FS) problem(format string, args ...any) {
	f.t.life.Lock()
	f.t.problems = append(f.t.problems, fmt.Sprintf(format, args...))
	f.t.life.Unlock()
}
