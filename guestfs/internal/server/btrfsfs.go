package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/probe"
)

// The procedures of btrfs make the ioctls of linux/btrfs.h on what is mounted, as the
// command btrfs(8) does. What the command does in the background is done when the call
// returns.

// withBtrfsAt calls f with the file system that a path is on, or that is on a device,
// which is mounted for a while.
func (s *Server) withBtrfsAt(name string, f func(b btrfs) error) error {
	if device, _ := s.parseMountable(name); s.isDevice(device) {
		return prefixed(s.withBtrfs(device, false, f), device)
	}
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return perror(err, "%s", name)
	}
	defer h.close()
	var st unix.Statfs_t
	if err := h.View().Fstatfs(h.Fd(), &st); err != nil {
		return perror(err, "%s", name)
	}
	if st.Type != unix.BTRFS_SUPER_MAGIC {
		return errorf("%s: not a btrfs filesystem", name)
	}
	if err := f(btrfs{h.View(), h.Fd()}); err != nil {
		return prefixed(err, name)
	}
	return nil
}

// do makes an ioctl with a structure, which it changes.
func (b btrfs) do(dir, nr uint, arg []byte) error {
	_, err := b.v.Ioctl(b.fd, iocBtrfs(dir, nr, uint(len(arg))), arg)
	return err
}

// simple makes an ioctl without an argument.
func (b btrfs) simple(nr uint) error {
	_, err := b.v.IoctlInt(b.fd, iocBtrfs(0, nr, 0), 0)
	return err
}

// words returns a structure of size bytes that begins with 64-bit words.
func words(size int, values ...uint64) []byte {
	arg := make([]byte, max(size, 8*len(values)))
	for i, v := range values {
		binary.NativeEndian.PutUint64(arg[8*i:], v)
	}
	return arg
}

// named makes an ioctl with a struct btrfs_ioctl_vol_args.
func (b btrfs) named(nr uint, name string) error {
	const size, at = 4096, 8
	if len(name) >= size-at {
		return unix.ENAMETOOLONG
	}
	arg := make([]byte, size)
	copy(arg[at:], name)
	return b.do(1, nr, arg)
}

// BtrfsFilesystemSync writes everything to the devices.
func (s *Server) BtrfsFilesystemSync(ctx context.Context, a *rpc.BtrfsFilesystemSyncArgs) error {
	return s.withBtrfsAt(a.Fs, func(b btrfs) error { return b.simple(8) })
}

// BtrfsFilesystemResize resizes a mounted btrfs: to the size of its devices, or to a size
// in bytes, which becomes that of the part on its first device.
func (s *Server) BtrfsFilesystemResize(ctx context.Context, a *rpc.BtrfsFilesystemResizeArgs) error {
	size := "max"
	if a.Size.Set {
		if a.Size.Value <= 0 {
			return errorf("size is zero or negative")
		}
		size = strconv.FormatInt(a.Size.Value, 10)
	}
	return s.withBtrfsAt(a.Mountpoint, func(b btrfs) error {
		return b.eachID(func(id uint64) (bool, error) {
			return !a.Size.Set, b.named(3, fmt.Sprint(id, ":", size))
		})
	})
}

// eachID calls f with the ids of the devices until it says no.
func (b btrfs) eachID(f func(id uint64) (more bool, err error)) error {
	const maxID = 1 << 16 // a hostile file system has no end
	info := make([]byte, 1024)
	if err := b.do(2, 31, info); err != nil {
		return err
	}
	for id := uint64(1); id <= min(binary.NativeEndian.Uint64(info), maxID); id++ {
		err := b.do(3, 30, words(4096, id))
		if errors.Is(err, unix.ENODEV) {
			continue // that of a device that was taken away
		}
		more := false
		if err == nil {
			more, err = f(id)
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// devicePath calls f with the file system and a way to make ioctls that name devices:
// their names are looked up where /dev is, which is not in the guest.
func (s *Server) devicePath(name string, f func(b btrfs) error) error {
	defer s.devicesChanged()
	return s.withBtrfsAt(name, func(b btrfs) error { return f(btrfs{&b.v.Kernel().View, b.fd}) })
}

// BtrfsDeviceAdd adds devices to a file system, whatever is on them.
func (s *Server) BtrfsDeviceAdd(ctx context.Context, a *rpc.BtrfsDeviceAddArgs) error {
	return s.eachDevice(a.Fs, a.Devices, 10)
}

// BtrfsDeviceDelete takes devices from a file system.
func (s *Server) BtrfsDeviceDelete(ctx context.Context, a *rpc.BtrfsDeviceDeleteArgs) error {
	return s.eachDevice(a.Fs, a.Devices, 11)
}

func (s *Server) eachDevice(fs string, devices []string, nr uint) error {
	if len(devices) == 0 {
		return nil
	}
	return s.devicePath(fs, func(b btrfs) error {
		for _, d := range devices {
			if err := b.named(nr, d); err != nil {
				return perror(err, "%s", d)
			}
		}
		return nil
	})
}

// BtrfsReplace moves what is on a device to another, which takes its place.
func (s *Server) BtrfsReplace(ctx context.Context, a *rpc.BtrfsReplaceArgs) error {
	const nameSize, source, target, size = 1025, 32, 32 + 1025, 2600
	arg := make([]byte, size)
	if len(a.Srcdev) >= nameSize || len(a.Targetdev) >= nameSize {
		return unix.ENAMETOOLONG
	}
	copy(arg[source:], a.Srcdev)
	copy(arg[target:], a.Targetdev)
	return s.devicePath(a.Mntpoint, func(b btrfs) error {
		err := b.do(3, 53, arg)
		if result := binary.NativeEndian.Uint64(arg[8:]); err == nil && result != 0 {
			return errorf("replacing %s: the kernel refuses with result %d", a.Srcdev, result)
		}
		return err
	})
}

// btrfsDevices returns the devices of the file system that is on a device.
func btrfsDevices(img *unboot.Image, device string) []string {
	list := []string{device}
	d, err := img.Device(device)
	if err != nil || d.Content == nil || d.Content.Devices <= 1 {
		return list
	}
	for _, o := range img.Devices() {
		if o.Content != nil && o.Content.Type == "btrfs" && o.Content.UUID == d.Content.UUID && o != d {
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

// BtrfsFilesystemShow returns the devices of a file system. If some are missing, the
// errno is ENODEV.
func (s *Server) BtrfsFilesystemShow(ctx context.Context, a *rpc.BtrfsFilesystemShowArgs) ([]string, error) {
	// Devices may have been added to what is mounted.
	if err := s.store.sync(); err != nil {
		return nil, err
	}
	if err := s.rescan(); err != nil {
		s.logf("%v", err)
	}
	info, err := s.btrfsInfo(a.Device)
	if err != nil {
		return nil, err
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	list := btrfsDevices(img, a.Device)
	if len(list) < info.Devices {
		return nil, &protocol.Error{Name: "ENODEV", Message: a.Device + ": some devices are missing"}
	}
	return list, nil
}

// btrfsInfo returns what is on a device, which has to be a btrfs.
func (s *Server) btrfsInfo(device string) (*probe.Info, error) {
	info, err := s.probe(device)
	if err == nil && info.Type != "btrfs" {
		err = errorf("%s: not a btrfs filesystem", device)
	}
	return info, err
}

// BtrfsFilesystemDefragment defragments a file or a directory.
func (s *Server) BtrfsFilesystemDefragment(ctx context.Context, a *rpc.BtrfsFilesystemDefragmentArgs) error {
	const compress, startIO = 1, 2
	flags, method := uint64(0), uint64(0)
	if a.Flush.Or(false) {
		flags |= startIO
	}
	if a.Compress.Set {
		i := slices.Index([]string{"", "zlib", "lzo", "zstd"}, a.Compress.Value)
		if i < 1 {
			return errorf("unknown compress method: %s", a.Compress.Value)
		}
		flags, method = flags|compress, uint64(i)
	}
	return s.withBtrfsAt(a.Path, func(b btrfs) error {
		return b.do(1, 16, words(48, 0, ^uint64(0), flags, method<<32))
	})
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
