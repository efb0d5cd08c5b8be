package main

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// awaitWriters waits for other programs to finish writing to an image and the disks that
// are added to it. It warns about those that do not, unless opening for writing will be
// refused anyway, and reports whether there are any. A writer is not an error for reading:
// the user may know that the guest is idle.
func (a *app) awaitWriters(path string, write bool) (any bool) {
	for _, p := range append([]string{path}, a.opts.add...) {
		use := disk.Await(a.ctx, p, a.patience)
		switch {
		case use == disk.NotWritten:
			continue
		case !write:
			a.warn(fmt.Errorf("%s: another program has it open for writing: what is read may be outdated or inconsistent", quote(p)))
		case use == disk.OpenForWriting:
			a.warn(fmt.Errorf("%s: another program has it open for writing too, which may destroy its file systems (is it mounted on the host?)", quote(p)))
		}
		any = true
	}
	return any
}

// closeImage closes an image. If it was only read, it warns about a writer that has opened
// it since: there is no lock that would have kept it away.
func (a *app) closeImage(o *opened) error {
	if !o.write && !o.written && disk.InUse(o.path) != disk.NotWritten {
		a.warn(fmt.Errorf("%s: another program has since opened it for writing: what was read may be inconsistent", quote(o.path)))
	}
	err := o.img.Close()
	if a.opts.stats {
		printTraffic(o.path, o.img.Traffic())
	}
	// Only after Close: this context is that of the kernel.
	if o.cancel != nil {
		o.cancel()
	}
	return err
}
