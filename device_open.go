package unboot

import (
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// openable are the flags of [Device.Open]: those of open(2) that mean something for a block
// device.
const openable = unix.O_ACCMODE | unix.O_EXCL | unix.O_SYNC | unix.O_DSYNC | unix.O_DIRECT

// Open opens the device itself: the bytes that its file system, or whatever it holds,
// consists of. flag is os.O_RDONLY, os.O_WRONLY or os.O_RDWR, and maybe os.O_EXCL, with
// which the error is unix.EBUSY if the device, a partition of it, or the disk that it is a
// partition of is mounted or open in this way, and which keeps them from being mounted
// meanwhile. See open(2). The file is closed with the image.
//
// Writing to a mounted device would destroy it: that is unix.EBUSY even without os.O_EXCL. A
// disk can be written to while a partition of it is mounted, as editors of partition tables
// do, but not what a volume lies on while that is. After the table or a file system has changed, [Image.Rescan] is to be called.
//
// Errors are *fs.PathError. They wrap unix.EROFS for writing to an image that is only read,
// and [ErrNotFound] if there is no such device any more: it has gone, or its place on the
// disk is another one.
func (d *Device) Open(flag int) (*File, error) {
	fail := func(err error) (*File, error) {
		return nil, &fs.PathError{Op: "open", Path: d.Name, Err: err}
	}
	g := d.in.Load()
	if g == nil || flag&^openable != 0 {
		return fail(fs.ErrInvalid)
	}
	img := g.img
	if now := img.found.Load().named(d.Name); now == nil || !now.samePlace(d) {
		return fail(ErrNotFound)
	}
	if flag&unix.O_ACCMODE != unix.O_RDONLY {
		if !img.writable {
			return fail(&hintError{unix.EROFS, "the image is not opened for writing"})
		}
		if on := img.mountedOf(d); on != "" {
			return fail(&hintError{unix.EBUSY, on + " is mounted: unmount it first"})
		}
	}
	return img.OpenNode(d.Name, flag)
}

// samePlace reports whether two values are of the same range of bytes.
func (d *Device) samePlace(o *Device) bool {
	return d.Kind == o.Kind && d.Size == o.Size && d.start() == o.start()
}

// mountedOf returns the name of the device if it is mounted, or that of another one which
// holds the same file system, or lies on it unless it is a disk; or "".
func (img *Image) mountedOf(d *Device) string {
	names := []string{d.Name}
	for _, o := range d.Pool() {
		names = append(names, o.Name)
	}
	if d.Kind != KindDisk {
		for _, o := range d.above() {
			names = append(names, o.Name)
		}
	}
	img.mu.Lock()
	trees := slices.Clone(img.trees)
	img.mu.Unlock()
	for _, t := range trees {
		t.life.RLock()
		mounts := slices.Clone(t.mounts)
		t.life.RUnlock()
		for _, m := range mounts {
			if slices.Contains(names, m.Device) {
				return m.Device
			}
		}
	}
	return ""
}

// newNodes returns the tree of the kernel's own files, which is never given out: what is
// open in it is closed with the image.
func newNodes(img *Image) *FS {
	return &FS{t: &tree{img: img, root: -1, files: map[*File]struct{}{}}, view: &img.k.View, name: "."}
}

// closeNodes closes the devices that are open, and says what was not written to them.
func (img *Image) closeNodes() error {
	t := img.nodes.t
	t.life.Lock()
	defer t.life.Unlock()
	t.dead = true
	return t.closeFiles()
}

// OpenNode opens a block device of the kernel by its name as open(2) does, without asking
// what it is used for: writing to what is mounted destroys it. It is for programs that stand
// for the users of such a kernel; others open a [Device].
func (img *Image) OpenNode(name string, flag int) (*File, error) {
	f, err := img.nodes.OpenPath(name, flag&openable, 0)
	if err != nil {
		return nil, err
	}
	// The image, which has the file already, may be closing it.
	f.life.Lock()
	defer f.life.Unlock()
	f.device = flag&unix.O_ACCMODE != unix.O_RDONLY
	return f, nil
}
