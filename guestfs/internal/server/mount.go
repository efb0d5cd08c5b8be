package server

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect/fstab"
)

// # The mounted tree
//
// What is mounted on / is an unboot.FS, and the file systems below it are in that.
// Should somebody mount on / again, that is one more FS, which hides the one before.
// Before anything is mounted, mkmountpoint makes directories to mount on in a tree that
// is empty, and stays when all is unmounted.

// mounted reports whether something is mounted, so that paths have a meaning.
func (s *Server) mounted() bool {
	for _, f := range s.trees {
		for _, m := range f.Mounts() {
			if m.Device != "none" {
				return true
			}
		}
	}
	return false
}

// tree returns what is mounted on /.
//
// Preconditions: mounted.
func (s *Server) tree() *unboot.FS { return s.trees[len(s.trees)-1] }

// Mount mounts a file system for reading and writing.
func (s *Server) Mount(ctx context.Context, a *rpc.MountArgs) error {
	return s.mount("", "", a.Mountable, a.Mountpoint)
}

// MountRo mounts a file system for reading.
func (s *Server) MountRo(ctx context.Context, a *rpc.MountRoArgs) error {
	return s.mount("ro", "", a.Mountable, a.Mountpoint)
}

// MountOptions mounts a file system with options of mount(8).
func (s *Server) MountOptions(ctx context.Context, a *rpc.MountOptionsArgs) error {
	return s.mount(a.Options, "", a.Mountable, a.Mountpoint)
}

// MountVfs mounts a file system of a type.
func (s *Server) MountVfs(ctx context.Context, a *rpc.MountVfsArgs) error {
	return s.mount(a.Options, a.Vfstype, a.Mountable, a.Mountpoint)
}

func (s *Server) mount(options, fstype, mountable, mountpoint string) error {
	device, subvolume := s.parseMountable(mountable)
	m, err := parseOptions(options)
	if err != nil {
		return err
	}
	m.Device, m.Type = device, fstype
	switch fstype {
	case "ntfs", "ntfs-3g", "lowntfs-3g":
		m.Type = "ntfs3" // the driver that the kernel has for it
	}
	if subvolume != "" {
		m.Data = strings.TrimPrefix(m.Data+",subvol="+subvolume, ",")
	}
	if !strings.HasPrefix(mountpoint, "/") {
		return errorf("mount: %s: mount point is not a directory", mountpoint)
	}
	return s.mountAt(m, mountpoint)
}

// mountAt mounts what m says, but for the directory, on a path of the guest.
func (s *Server) mountAt(m unboot.Mount, mountpoint string) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	root := unboot.CleanPath(mountpoint) == "."
	if !root {
		notDir := errorf("mount: %s: mount point is not a directory", mountpoint)
		if len(s.trees) == 0 {
			return notDir
		}
		dir, err := s.realpath(mountpoint)
		if err != nil {
			return notDir
		}
		if st, err := s.stat(dir); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return notDir
		}
		m.Dir = unboot.CleanPath(dir)
		root = m.Dir == "."
	}
	if root {
		m.Dir = "."
	}
	if s.isTop(m, img) {
		// Of a subvolume that is not there, that is the error.
		where := m.Dir
		m.Dir = "."
		f, err := img.MountTree([]unboot.Mount{m})
		if err == nil {
			err = f.Unmount()
		}
		if m.Dir = where; err != nil && !errors.Is(err, unix.EBUSY) {
			return mountError(err, m.Device, mountpoint)
		}
		return errorf("mount exited with status 32: mount: %s: %s already mounted on %s.", mountpoint, m.Device, mountpoint)
	}
	if root {
		var f *unboot.FS
		if f, err = img.MountTree([]unboot.Mount{m}); err == nil {
			s.trees = append(s.trees, f)
		}
	} else {
		err = s.tree().MountAt(m.Device, m.Dir, unboot.Type(m.Type), unboot.Data(m.Data), readOnlyIf(m.ReadOnly))
	}
	if err != nil {
		return mountError(err, m.Device, mountpoint)
	}
	return nil
}

// isTop reports whether a file system is already what is to be seen where it is to be
// mounted, which the kernel refuses to mount over itself. The tree's own kernel does not
// see that: there, it is mounted elsewhere and then moved.
func (s *Server) isTop(m unboot.Mount, img *unboot.Image) bool {
	if len(s.trees) == 0 {
		return false
	}
	d, err := img.Device(m.Device)
	if err != nil {
		return false
	}
	for _, old := range slices.Backward(s.tree().Mounts()) {
		if old.Dir == m.Dir {
			return old.Device == d.Name
		}
	}
	return false
}

func readOnlyIf(ro bool) unboot.MountOption {
	if ro {
		return unboot.ReadOnly()
	}
	return unboot.Data("")
}

// mountError words an error as mount(8) does, for programs that look at it, with what
// the kernel says of it.
func mountError(err error, device, mountpoint string) error {
	text := "wrong fs type, bad option, bad superblock on " + device +
		", missing codepage or helper program, or other error"
	switch {
	case errors.Is(err, unix.EBUSY):
		text = device + " already mounted or mount point busy"
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES):
		text = "cannot mount " + device + " read-only"
	case errors.Is(err, unix.ENODEV):
		text = "unknown filesystem type"
	}
	return perrorText(err, "mount exited with status 32: mount: %s: %s.\n       %v", mountpoint, text, err)
}

// parseOptions splits the options of mount(8) into those for the file system and others.
func parseOptions(options string) (m unboot.Mount, err error) {
	o := fstab.ParseOptions(options)
	if len(o.Elsewhere) > 0 {
		return m, errorf("mount: the option %s is not available in unboot", o.Elsewhere[0])
	}
	return unboot.Mount{ReadOnly: o.ReadOnly, Data: strings.Join(o.Driver, ",")}, nil
}

// parseMountable splits a mountable into the device and the subvolume of btrfs, which
// is "" if it is none, and "/" for the top level: that need not be what is mounted if no
// subvolume is named.
func (s *Server) parseMountable(v string) (device, subvolume string) {
	rest, ok := strings.CutPrefix(v, volumePrefix)
	if !ok {
		return v, ""
	}
	if device, path, ok := s.splitVolume(rest); ok {
		return device, cmp.Or(strings.TrimPrefix(path, "/"), "/")
	}
	return rest, ""
}

// InternalParseMountable splits a mountable.
func (s *Server) InternalParseMountable(ctx context.Context, a *rpc.InternalParseMountableArgs) (*rpc.InternalMountable, error) {
	device, volume := s.parseMountable(a.Mountable)
	m := &rpc.InternalMountable{ImType: mountableDevice, ImDevice: device, ImVolume: volume}
	if volume != "" {
		m.ImType = mountableVolume
	}
	return m, nil
}

// The types of an InternalMountable, as the appliance sends them. 2 is a path, which a mountable is not.
const (
	mountableDevice = 0
	mountableVolume = 1
)

// Mkmountpoint makes a directory to mount on before something is mounted on /.
func (s *Server) Mkmountpoint(ctx context.Context, a *rpc.MkmountpointArgs) error {
	if err := s.exemptTree(a.Exemptpath); err != nil {
		return err
	}
	if err := s.view().Mkdirat(unix.AT_FDCWD, a.Exemptpath, 0o777&^s.umask); err != nil {
		return perror(err, "%s", a.Exemptpath)
	}
	return nil
}

// Rmmountpoint removes what Mkmountpoint has made.
func (s *Server) Rmmountpoint(ctx context.Context, a *rpc.RmmountpointArgs) error {
	if err := s.exemptTree(a.Exemptpath); err != nil {
		return err
	}
	if err := s.view().Unlinkat(unix.AT_FDCWD, a.Exemptpath, unix.AT_REMOVEDIR); err != nil {
		return perror(err, "%s", a.Exemptpath)
	}
	return nil
}

// exemptTree makes sure that there is a tree, be it an empty one.
func (s *Server) exemptTree(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errorf("path must start with a / character")
	}
	img, err := s.image()
	if err != nil || len(s.trees) > 0 {
		return err
	}
	f, err := img.EmptyTree()
	if err == nil {
		s.trees = append(s.trees, f)
	}
	return err
}

// Remount makes a mount writable or read-only.
func (s *Server) Remount(ctx context.Context, a *rpc.RemountArgs) error {
	if !a.Rw.Set {
		return errorf("you must specify at least one of the options")
	}
	dir, err := s.realpath(a.Mountpoint)
	if err == nil {
		err = s.tree().Remount(unboot.CleanPath(dir), !a.Rw.Value)
	}
	if errors.Is(err, unix.EINVAL) {
		return perrorText(err, "%s: mount: %s: mount point not mounted or bad option.", a.Mountpoint, a.Mountpoint)
	}
	if err != nil {
		return perror(err, "%s", a.Mountpoint)
	}
	return nil
}

// Sync makes everything stable.
func (s *Server) Sync(ctx context.Context) error { return s.store.sync() }

// syncAll makes stable what was written through this server, and reports what was lost.
func (s *Server) syncAll(img *unboot.Image) error {
	var errs []error
	for _, f := range s.trees {
		if err := f.Sync(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, img.Kernel().Sync())...)
}
