package server

import (
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/volume/probe"
)

// withBtrfs mounts the btrfs on a device for a while, as withMounted does.
func (s *Server) withBtrfs(device string, readOnly bool, f func(fs btrfs.FS) error) error {
	return s.withMounted(device, "btrfs", readOnly, func(fd int) error {
		img, err := s.image()
		if err != nil {
			return err
		}
		return f(btrfs.FS{View: &img.Kernel().View, FD: fd})
	})
}

// withBtrfsAt calls f with the file system that a path is on, or that is on a device,
// which is mounted for a while.
func (s *Server) withBtrfsAt(name string, f func(fs btrfs.FS) error) error {
	if device, _ := s.parseMountable(name); s.isDevice(device) {
		return prefixed(s.withBtrfs(device, false, f), device)
	}
	h, err := s.openBtrfs(name)
	if err != nil {
		return err
	}
	defer h.close()
	return prefixed(f(btrfs.FS(h.file())), name)
}

// openBtrfs opens a file or a directory that is on a btrfs.
func (s *Server) openBtrfs(name string) (*handle, error) {
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, perror(err, "%s", name)
	}
	var st unix.Statfs_t
	if err = h.View().Fstatfs(h.Fd(), &st); err != nil {
		err = perror(err, "%s", name)
	} else if st.Type != unix.BTRFS_SUPER_MAGIC {
		err = errorf("%s: not a btrfs filesystem", name)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// withBtrfsDevices is withBtrfsAt for calls that name devices: the kernel looks their names
// up where /dev is, which is not in the guest.
func (s *Server) withBtrfsDevices(name string, f func(fs btrfs.FS) error) error {
	defer s.devicesChanged()
	img, err := s.image()
	if err != nil {
		return err
	}
	return s.withBtrfsAt(name, func(fs btrfs.FS) error {
		return f(btrfs.FS{View: &img.Kernel().View, FD: fs.FD})
	})
}

// btrfsDevices returns the devices of the file system that is on a device.
func btrfsDevices(img *unboot.Image, device string) []string {
	list := []string{device}
	d, err := img.Device(device)
	if err != nil {
		return list
	}
	for _, o := range d.Pool() {
		if o != d {
			list = append(list, o.Name)
		}
	}
	slices.Sort(list)
	return list
}

// btrfsOptions are the options that mount the top level of a btrfs, with all its devices.
func btrfsOptions(img *unboot.Image, device string) []string {
	options := []string{"subvolid=5"}
	for _, o := range btrfsDevices(img, device) {
		if o != device {
			options = append(options, "device="+o)
		}
	}
	return options
}

// btrfsInfo returns what is on a device, which has to be a btrfs.
func (s *Server) btrfsInfo(device string) (*probe.Info, error) {
	info, err := s.probe(device)
	if err == nil && info.Type != "btrfs" {
		err = errorf("%s: not a btrfs filesystem", device)
	}
	return info, err
}

// parentOf opens the directory that a path is in and returns it with the path's name.
func (s *Server) parentOf(p string) (h *handle, name string, err error) {
	dir, name := path.Split(path.Clean(p))
	if name == "" || name == ".." || name == "." {
		return nil, "", errorf("%s: not the path of a subvolume", p)
	}
	h, err = s.openPath(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, "", perror(err, "%s", dir)
	}
	return h, name, nil
}
