package md

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// attributes is the directory of an array's attributes in sysfs.
func attributes(number int) string { return fmt.Sprintf("/sys/block/md%d/md/", number) }

// describe gives the kernel the shape and the members of an array whose metadata it does not
// know. It is an array without superblocks to it, as `mdadm --build` makes them: one with
// external metadata would wait for somebody to write those before each first write.
func describe(k *lkl.Kernel, number int, a *volume.Array, dev func(volume.Base) string) error {
	dir := attributes(number)
	resync := "none" // it is in sync
	if a.Dirty {
		resync = "0"
	}
	settings := []struct {
		name  string
		value any
	}{
		{"metadata_version", "none"},
		{"level", levelName(a.Level)},
		{"raid_disks", a.RaidDisks},
		{"layout", a.Layout},
		{"chunk_size", a.Chunk},
		{"component_size", a.Size >> 10},
		{"resync_start", resync},
	}
	for _, s := range settings {
		if s.name == "layout" && a.Level <= 1 && a.Layout == 0 || s.name == "chunk_size" && a.Chunk == 0 {
			continue
		}
		if err := write(k, dir+s.name, fmt.Sprint(s.value)); err != nil {
			return err
		}
	}
	for _, s := range a.Slots {
		if s.Role < 0 {
			continue // a spare would only wait for a failure
		}
		if err := place(k, dir, dev(s.Base), s); err != nil {
			return err
		}
	}
	return nil
}

// place adds a member that has a place in the array.
func place(k *lkl.Kernel, dir, dev string, s volume.Slot) error {
	if err := write(k, dir+"new_dev", dev); err != nil {
		return err
	}
	link, err := k.Readlink(unix.AT_FDCWD, "/sys/dev/block/"+dev)
	if err != nil {
		return fmt.Errorf("the device %s: %w", dev, err)
	}
	dir += "dev-" + path.Base(link) + "/"
	for _, w := range []struct {
		name  string
		value int64
	}{{"offset", s.Offset / volume.SectorSize}, {"size", s.Size >> 10}, {"slot", int64(s.Role)}} {
		if err := write(k, dir+w.name, fmt.Sprint(w.value)); err != nil {
			return err
		}
	}
	return nil
}

// levelName is how sysfs calls a level.
func levelName(level int) string {
	if level == -1 {
		return "linear"
	}
	return fmt.Sprintf("raid%d", level)
}
