package unboot

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/probe"
)

// A devDir is what /dev has besides devices. All programs of an image see one /dev, as new devices
// are to be there at once.
type devDir struct {
	mu    sync.Mutex
	made  bool              // guarded by mu: what every /dev has is there
	links map[string]string // guarded by mu: those to disks that were made, and where they lead
}

// furnishDev makes what /dev has besides devices.
func (img *Image) furnishDev() error {
	d := &img.dev
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.made {
		for _, dir := range []string{"/dev/pts", "/dev/shm"} {
			if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && err != unix.EEXIST {
				return &os.PathError{Op: "mkdir", Path: dir, Err: err}
			}
		}
		for link, target := range map[string]string{
			"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		} {
			if err := img.k.Symlinkat(target, unix.AT_FDCWD, "/dev/"+link); err != nil && err != unix.EEXIST {
				return &os.PathError{Op: "symlink", Path: "/dev/" + link, Err: err}
			}
		}
		d.made = true
	}
	return img.linkDisks()
}

// linkDisks makes the links in /dev/disk that udev(7) would make, of what is known of the devices
// now. Without them, programs that write the configuration of a system take the names that disks
// have here: grub-mkconfig's "root=/dev/sda2" starts no machine whose disk is /dev/vda.
//
// Preconditions: dev.mu is held.
func (img *Image) linkDisks() error {
	d := &img.dev
	want := img.found.Load().diskLinks()
	for _, link := range slices.Sorted(maps.Keys(d.links)) {
		if want[link] != d.links[link] {
			img.k.Unlinkat(unix.AT_FDCWD, link, 0)
		}
	}
	made := map[string]string{}
	for _, link := range slices.Sorted(maps.Keys(want)) {
		if want[link] == d.links[link] {
			made[link] = want[link]
			continue
		}
		// What programs have made of /dev stays: then there is no link.
		if img.linkDisk(link, want[link]) == nil {
			made[link] = want[link]
		}
	}
	d.links = made
	return img.k.Err()
}

// linkDisk makes one link to a device.
func (img *Image) linkDisk(link, name string) error {
	target := "../.." + strings.TrimPrefix(name, "/dev")
	err := img.k.Symlinkat(target, unix.AT_FDCWD, link)
	if err != unix.ENOENT {
		return err
	}
	if err := img.mkdirs(path.Dir(link)); err != nil {
		return err
	}
	return img.k.Symlinkat(target, unix.AT_FDCWD, link)
}

// diskLinks returns where the links in /dev/disk lead. Of several devices with the same identity,
// it is the one that [Image.Device] finds.
func (g *graph) diskLinks() map[string]string {
	links := map[string]string{}
	for _, d := range g.devices {
		id := d.identity()
		if d.Content != nil && d.Content.Usage == probe.RAID {
			id.UUID, id.Label = "", "" // of what it is a member of
		}
		for _, link := range id.Links() {
			if links[link] == "" {
				links[link] = d.Name
			}
		}
	}
	return links
}
