package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/resizetool"
	"github.com/unboot/unboot/volume/probe"
)

// A fsShrinker makes file systems of a type smaller. None of them loses anything if it is
// refused or fails; what a program was interrupted in is for its own checker to complete.
type fsShrinker struct {
	// grain is what sizes are multiples of, in bytes, or 0 for the file system's blocks.
	grain int64
	// least returns the size in bytes that it can have by what it holds now.
	least func(r *resizer, a *app, img *unboot.Image, d *unboot.Device) (int64, error)
	// shrink gives it a size in bytes.
	shrink func(r *resizer, a *app, img *unboot.Image, d *unboot.Device, size int64) error
}

// fsShrinkers are by the types of package probe.
var fsShrinkers = map[string]*fsShrinker{
	"ext2": {least: leastByTool, shrink: shrinkExt}, "ext3": {least: leastByTool, shrink: shrinkExt},
	"ext4":  {least: leastByTool, shrink: shrinkExt},
	"ntfs":  {grain: 4 << 10, least: leastByTool, shrink: shrinkNTFS},
	"btrfs": {grain: 64 << 10, least: leastBtrfs, shrink: shrinkBtrfs},
}

// notShrinking says why others do not become smaller.
var notShrinking = map[string]string{
	"xfs":   "an XFS cannot become smaller: copy its files to a new one",
	"f2fs":  "no tool makes an F2FS smaller without risk: copy its files to a new one",
	"exfat": "no tool makes an exFAT smaller: copy its files to a new one",
	"vfat":  "no tool makes a FAT smaller: copy its files to a new one",
	"swap":  "swap space is made, not resized: mkswap(8) it with a new size",
}

// shrinkerOf returns what makes the file system on a device smaller.
func shrinkerOf(d *unboot.Device) (*fsShrinker, error) {
	c := d.Content
	switch {
	case d.Locked != nil:
		return nil, fmt.Errorf("it is encrypted, and needs a key to become smaller (--key)")
	case c == nil || c.Type == "":
		return nil, errors.New("what is on it is not known")
	case len(c.Others) > 0:
		return nil, fmt.Errorf("there may be a %s on it, and also %s", printable(c.Type), printable(strings.Join(c.Others, ", ")))
	case c.Devices > 1:
		return nil, fmt.Errorf("its %s has %d devices", printable(c.Type), c.Devices)
	case len(d.Children()) > 0 || c.Usage != probe.Filesystem && notShrinking[c.Type] == "":
		return nil, fmt.Errorf("what is on it (%s) does not become smaller here", printable(c.Type))
	}
	if s := fsShrinkers[c.Type]; s != nil {
		return s, nil
	}
	return nil, errors.New(cmp.Or(notShrinking[c.Type], fmt.Sprintf("no tool makes a %s smaller", printable(c.Type))))
}

// unit returns what sizes of the file system on a device are multiples of.
func (s *fsShrinker) unit(d *unboot.Device) int64 {
	return max(cmp.Or(s.grain, d.Content.BlockSize), 1<<10)
}

func leastByTool(r *resizer, a *app, img *unboot.Image, d *unboot.Device) (int64, error) {
	cmd := resizetool.Least(d.Content.Type, d.Name)
	out, err := r.output(a, img, nil, cmd[0], cmd[1:]...)
	return resizetool.ParseLeast(d.Content.Type, out, d.Content.BlockSize, err)
}

// shrinkExt checks the file system first, without which resize2fs(8) does nothing.
func shrinkExt(r *resizer, a *app, img *unboot.Image, d *unboot.Device, size int64) error {
	_, err := r.output(a, img, nil, "e2fsck", "-f", "-p", d.Name)
	if exit, ok := errors.AsType[*unboot.ExitError](err); ok && exit.ExitCode() == 1 {
		err = nil // what was wrong is not any more
	}
	if err == nil {
		_, err = r.output(a, img, nil, "resize2fs", d.Name, fmt.Sprint(size>>10, "K"))
	}
	return err
}

// shrinkNTFS answers the question of ntfsresize(8), which does nothing to an NTFS that is
// marked to be checked by Windows.
func shrinkNTFS(r *resizer, a *app, img *unboot.Image, d *unboot.Device, size int64) error {
	_, err := r.output(a, img, strings.NewReader("y\n"), "ntfsresize", "-P", "--size", fmt.Sprint(size), d.Name)
	return err
}

func leastBtrfs(r *resizer, a *app, img *unboot.Image, d *unboot.Device) (n int64, err error) {
	// What mkfs.btrfs(8) and the kernel want at least.
	const least = 256 << 20
	err = onTree(img, d, func(f *unboot.FS) error {
		n, err = f.MinimumSize()
		return err
	})
	return max(n, least), err
}

func shrinkBtrfs(r *resizer, a *app, img *unboot.Image, d *unboot.Device, size int64) error {
	return onTree(img, d, func(f *unboot.FS) error { return f.Shrink(size) })
}

// onTree mounts a device for as long as do takes.
func onTree(img *unboot.Image, d *unboot.Device, do func(f *unboot.FS) error) error {
	f, err := img.Mount(d.Name)
	if err != nil {
		return reason(err)
	}
	err = reason(do(f))
	return errors.Join(err, f.Close())
}

// output runs a program of the host on the image's devices, and returns what it says. The error
// is an *unboot.ExitError with what it has said, if it has failed.
func (r *resizer) output(a *app, img *unboot.Image, in io.Reader, name string, args ...string) (string, error) {
	cmd := img.ToolContext(a.life, name, args...)
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}
