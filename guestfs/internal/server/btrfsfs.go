package server

import (
	"context"
	"errors"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// BtrfsFilesystemSync writes everything to the devices.
func (s *Server) BtrfsFilesystemSync(ctx context.Context, a *rpc.BtrfsFilesystemSyncArgs) error {
	return s.withBtrfsAt(a.Fs, btrfs.FS.Sync)
}

// BtrfsFilesystemResize resizes a mounted btrfs: to the size of its devices, or to a size
// in bytes, which becomes that of the part on its first device.
func (s *Server) BtrfsFilesystemResize(ctx context.Context, a *rpc.BtrfsFilesystemResizeArgs) error {
	if a.Size.Set && a.Size.Value <= 0 {
		return errorf("size is zero or negative")
	}
	return s.withBtrfsAt(a.Mountpoint, func(fs btrfs.FS) error {
		if a.Size.Set {
			return fs.Resize(a.Size.Value)
		}
		return fs.Grow()
	})
}

// BtrfsDeviceAdd adds devices to a file system, whatever is on them.
func (s *Server) BtrfsDeviceAdd(ctx context.Context, a *rpc.BtrfsDeviceAddArgs) error {
	return s.eachDevice(a.Fs, a.Devices, btrfs.FS.AddDevice)
}

// BtrfsDeviceDelete takes devices from a file system.
func (s *Server) BtrfsDeviceDelete(ctx context.Context, a *rpc.BtrfsDeviceDeleteArgs) error {
	return s.eachDevice(a.Fs, a.Devices, btrfs.FS.RemoveDevice)
}

func (s *Server) eachDevice(name string, devices []string, do func(fs btrfs.FS, device string) error) error {
	if len(devices) == 0 {
		return nil
	}
	return s.withBtrfsDevices(name, func(fs btrfs.FS) error {
		for _, d := range devices {
			if err := do(fs, d); err != nil {
				return perror(err, "%s", d)
			}
		}
		return nil
	})
}

// BtrfsReplace moves what is on a device to another, which takes its place.
func (s *Server) BtrfsReplace(ctx context.Context, a *rpc.BtrfsReplaceArgs) error {
	return s.withBtrfsDevices(a.Mntpoint, func(fs btrfs.FS) error {
		err := fs.ReplaceDevice(a.Srcdev, a.Targetdev)
		var refused btrfs.ReplaceError
		if errors.As(err, &refused) {
			return errorf("replacing %s: %v", a.Srcdev, refused)
		}
		return err
	})
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

// BtrfsFilesystemDefragment defragments a file or a directory.
func (s *Server) BtrfsFilesystemDefragment(ctx context.Context, a *rpc.BtrfsFilesystemDefragmentArgs) error {
	d := btrfs.Defrag{Flush: a.Flush.Or(false), Compress: a.Compress.Or("")}
	if a.Compress.Set && !btrfs.Compresses(d.Compress) {
		return errorf("unknown compress method: %s", d.Compress)
	}
	return s.withBtrfsAt(a.Path, func(fs btrfs.FS) error { return fs.Defragment(d) })
}
