package unboot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Mount says where in a tree a device is mounted.
type Mount struct {
	// Device is the device's name, or anything else that [Image.Device]
	// accepts.
	Device string
	// Dir is the directory in the tree, as a path of an [FS]; "." or "" is
	// the root.
	Dir string
	// Type is the kernel's driver; "" finds it.
	Type string
	// Data holds options for the driver.
	Data string
	// ReadOnly mounts read-only even on a writable image.
	ReadOnly bool

	warnings []string // what attachMount has to say of it
}

// Mount mounts a device, given as [Image.Device] takes it. It is mounted
// read-only unless the image is writable. Errors are *[MountError], or wrap
// [ErrNotFound].
//
// The same device can be mounted more than once, with the same options.
func (img *Image) Mount(device string, opts ...MountOption) (*FS, error) {
	return img.mountRoot(Mount{Device: device}.with(opts))
}

// MountTree mounts devices into one tree, shallow directories first. One of the
// mounts must be of the root. If one fails, those before are undone.
func (img *Image) MountTree(mounts []Mount) (*FS, error) {
	list := slices.Clone(mounts)
	for i := range list {
		list[i].Dir = CleanPath(list[i].Dir)
	}
	slices.SortStableFunc(list, func(a, b Mount) int { return cmp.Compare(depth(a.Dir), depth(b.Dir)) })
	if len(list) == 0 || list[0].Dir != "." {
		return nil, errors.New("unboot: nothing is to be mounted on the root of the tree")
	}
	f, err := img.mountRoot(list[0])
	if err != nil {
		return nil, err
	}
	for _, m := range list[1:] {
		if err := f.mountAt(m); err != nil {
			f.Unmount()
			return nil, err
		}
	}
	return f, nil
}

// depth returns how many elements a clean path has.
func depth(dir string) int {
	if dir == "." {
		return 0
	}
	return 1 + strings.Count(dir, "/")
}

// with returns m with options applied.
func (m Mount) with(opts []MountOption) Mount {
	c := mountConfig{fstype: m.Type, data: m.Data, readOnly: m.ReadOnly}
	for _, o := range opts {
		o(&c)
	}
	m.Type, m.Data, m.ReadOnly = c.fstype, c.data, c.readOnly
	return m
}

// mountRoot mounts a device as the root of a new tree.
func (img *Image) mountRoot(m Mount) (*FS, error) {
	if err := img.err(); err != nil {
		return nil, err
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	m.Dir = "."
	dir, err := img.attachMount(nil, &m)
	if err != nil {
		return nil, err
	}
	return img.newTree(m, dir)
}

// newTree returns the tree of what is mounted on a directory of /mnt.
//
// Preconditions: mountMu is held.
func (img *Image) newTree(m Mount, dir string) (*FS, error) {
	fd, err := img.k.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		img.k.Unmount(dir, unix.MNT_DETACH)
		return nil, &MountError{Device: m.Device, Type: m.Type, Err: err}
	}
	t := &tree{img: img, dir: dir, mounts: []Mount{m}, root: fd, files: map[*File]struct{}{}, problems: m.warnings}
	img.mu.Lock()
	img.trees = append(img.trees, t)
	img.mu.Unlock()
	return &FS{t: t, view: img.k.Chroot(fd), name: "."}, nil
}

// MountAt mounts one more device into the tree, on the directory dir. Errors
// are *[MountError], *fs.PathError, or wrap [ErrNotFound].
func (f *FS) MountAt(device, dir string, opts ...MountOption) error {
	return f.mountAt(Mount{Device: device, Dir: dir}.with(opts))
}

func (f *FS) mountAt(m Mount) error { return f.mountDeviceAt(nil, m) }

// mountDeviceAt mounts a device, or that which m names if it is nil.
func (f *FS) mountDeviceAt(d *Device, m Mount) error {
	return f.attach(m, func(m *Mount) (string, error) { return f.t.img.attachMount(d, m) })
}

// adopt mounts what is the root of another tree, which has no other mount and ends by it.
func (f *FS) adopt(o *FS, dir string) error {
	m := o.Mounts()[0]
	m.Dir = dir
	return f.attach(m, func(m *Mount) (string, error) {
		m.warnings = o.Problems()
		return o.t.handOver(), nil
	})
}

// attach moves into the tree what mount mounts on a directory of /mnt. It is called with
// mountMu held.
func (f *FS) attach(m Mount, mount func(*Mount) (dir string, err error)) error {
	img, t := f.t.img, f.t
	if f.sub {
		return &fs.PathError{Op: "mount", Path: m.Dir, Err: errors.New("not from the root of the tree")}
	}
	if !validPath(m.Dir) {
		return &fs.PathError{Op: "mount", Path: m.Dir, Err: fs.ErrInvalid}
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	t.life.Lock()
	defer t.life.Unlock()
	if t.dead {
		return fs.ErrClosed
	}
	// The directory is found first, inside the tree. The file system is
	// mounted outside of it, where device nodes are, and moved there.
	on, err := f.view.Open("/"+m.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "mount", Path: m.Dir, Err: err}
	}
	defer img.k.CloseFd(on)
	dir, err := mount(&m)
	if err != nil {
		return err
	}
	err = img.k.MoveMount(unix.AT_FDCWD, dir, on, "", unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		img.k.Unmount(dir, unix.MNT_DETACH)
		err = &MountError{Device: m.Device, Type: m.Type, Err: err}
	} else {
		t.mounts = append(t.mounts, m)
		t.problems = append(t.problems, m.warnings...)
	}
	img.k.Unlinkat(unix.AT_FDCWD, dir, unix.AT_REMOVEDIR)
	return err
}

// attachMount mounts a device, or that which m names if it is nil, on a new
// directory of /mnt, and fills in what m leaves open.
//
// Preconditions: mountMu is held.
func (img *Image) attachMount(d *Device, m *Mount) (dir string, err error) {
	if d == nil {
		if d, err = img.Device(m.Device); err != nil {
			return "", err
		}
	}
	m.Device = d.Name
	if err := img.protectMember(d, m); err != nil {
		return "", err
	}
	m.warnings = img.warnings(d)
	try := driversFor(d, m.ReadOnly || !img.writable)
	if m.Type != "" {
		try = []driver{{m.Type, ""}}
		for _, known := range drivers {
			for _, dr := range known[:1] {
				if dr.name == m.Type && m.Type != "ufs" {
					try = []driver{dr}
				}
			}
		}
	}
	if len(try) == 0 {
		return "", &MountError{Device: d.Name, Err: noDriver(d)}
	}
	img.mounted++
	dir = "/mnt/" + strconv.Itoa(img.mounted)
	if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil {
		return "", &MountError{Device: d.Name, Err: err}
	}
	m.ReadOnly = m.ReadOnly || !img.writable || readOnlyTypes[try[0].name] || d.isSeed() || d.onReadOnly()
	mark := img.markNow()
	var first error
	for _, dr := range try {
		data := joinData(dr.data, img.tuning(d, dr.name), img.otherDevices(d), img.journal(d, m.Data), m.Data)
		err := img.mountOrDegraded(d, m, dir, dr.name, data)
		if err == nil {
			m.Type = dr.name
			return dir, nil
		}
		if first == nil {
			first = err
		}
	}
	img.k.Unlinkat(unix.AT_FDCWD, dir, unix.AT_REMOVEDIR)
	e := &MountError{Device: d.Name, Type: try[0].name, Err: img.hintMount(first, d, m.Data)}
	if img.k.Err() == nil {
		e.Log = img.logSince(mark)
	}
	return "", e
}

// mount makes the system call, or two.
func (img *Image) mount(device, dir, fstype string, readOnly bool, data string) error {
	if readOnly && replaysWritable[fstype] && img.k.Mount(device, dir, fstype, mountFlags(false), data) == nil {
		err := img.k.Mount(device, dir, fstype, unix.MS_REMOUNT|mountFlags(true), data)
		if err != nil {
			img.k.Unmount(dir, 0)
		}
		return err
	}
	return img.k.Mount(device, dir, fstype, mountFlags(readOnly), data)
}

// mountFlags returns the flags of mount(2). An image's device nodes would open
// the disks of this kernel, and reading must not set times of access.
func mountFlags(readOnly bool) uintptr {
	flags := uintptr(unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NOATIME)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	return flags
}

// noDriver says why a device cannot be mounted at all.
func noDriver(d *Device) error {
	switch c := d.Content; {
	case d.Locked != nil && !canMount(c):
		return &LockedError{d.Name, d.Locked}
	case c == nil || c.Type == "":
		return ErrNoFileSystem
	case d.hasVolume():
		return fmt.Errorf("%s is not a file system; on it lies %s", c.Type, strings.Join(d.volumes(), ", "))
	case canMount(c):
		return fmt.Errorf("no driver for %s", c.Type)
	default:
		return fmt.Errorf("%s is not a file system that Linux can mount", c.Type)
	}
}
