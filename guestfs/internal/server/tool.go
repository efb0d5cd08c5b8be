package server

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/internal/hosttool"
)

// A tool is a program of the host and what it is to work on.
type tool struct {
	use     hosttool.Use
	devices []string
	name    string
	args    []string  // hosttool.Arg(i) in them stands for devices[i]
	ok      []int     // exit statuses that are not errors, besides 0
	in      io.Reader // may be nil
	out     io.Writer // gets standard output, if not nil
}

// onDevice runs a tool on a device, for which hosttool.Arg(0) stands in the arguments.
func (s *Server) onDevice(ctx context.Context, use hosttool.Use, device string, ok []int, name string, args ...string) (string, error) {
	out, _, err := s.runTool(ctx, tool{use: use, devices: []string{device}, ok: ok, name: name, args: args})
	return out, err
}

// useTool runs a tool on one device, which is its last argument. What it says is only for
// errors, which begin with the name of the device.
func (s *Server) useTool(ctx context.Context, use hosttool.Use, device string, ok []int, name string, args ...string) error {
	_, err := s.onDevice(ctx, use, device, ok, name, append(args, hosttool.Arg(0))...)
	return ofDevice(err, device)
}

// toolStatus runs a tool whose exit status is what programs ask for, and not an error.
func (s *Server) toolStatus(ctx context.Context, t tool) (int, error) {
	_, status, err := s.runTool(ctx, t)
	if err != nil && status > 0 {
		s.logf("%s: %v", t.devices[0], err)
		return status, nil
	}
	return status, ofDevice(err, t.devices[0])
}

// ofDevice puts the name of a device before what a tool says.
func ofDevice(err error, device string) error {
	var failed *hosttool.Error
	if errors.As(err, &failed) {
		return withPrefix(err, "%s: ", device)
	}
	return err
}

// missingTool words the error of a program that the host does not have, and returns any
// other as it is.
func missingTool(err error) error {
	var missing *hosttool.MissingError
	if errors.As(err, &missing) {
		text := "not available in unboot: " + missing.Error()
		if p := packageOf[missing.Name]; p != "" {
			text += " (package " + p + " of Debian)"
		}
		return &protocol.Error{Name: "ENOTSUP", Message: text}
	}
	return err
}

// packageOf has the packages of programs that are called otherwise.
var packageOf = map[string]string{
	"augtool": "augeas-tools", "blkls": "sleuthkit", "btrfs": "btrfs-progs", "btrfs-image": "btrfs-progs", "btrfstune": "btrfs-progs",
	"clevis": "clevis-luks", "clevis-luks-pass": "clevis-luks", "e2fsck": "e2fsprogs", "extlinux": "extlinux", "fls": "sleuthkit",
	"fsck.fat": "dosfstools", "grub-install": "grub-pc-bin", "icat": "sleuthkit", "lvm": "lvm2", "mdadm": "mdadm", "mke2fs": "e2fsprogs",
	"mkfs.btrfs": "btrfs-progs", "mkfs.ext4": "e2fsprogs", "mkfs.f2fs": "f2fs-tools", "mkfs.vfat": "dosfstools", "mkfs.xfs": "xfsprogs",
	"mkfs.ntfs": "ntfs-3g", "mksquashfs": "squashfs-tools", "ntfs-3g.probe": "ntfs-3g", "ntfscat": "ntfs-3g", "ntfsclone": "ntfs-3g",
	"ntfsfix": "ntfs-3g", "ntfsresize": "ntfs-3g", "resize.f2fs": "f2fs-tools", "resize2fs": "e2fsprogs", "rsync": "rsync",
	"setfiles": "policycoreutils", "swapoff": "mount", "swapon": "mount", "syslinux": "syslinux", "tune2fs": "e2fsprogs",
	"xfs_admin": "xfsprogs", "xfs_growfs": "xfsprogs", "xfs_info": "xfsprogs", "xfs_repair": "xfsprogs", "yara": "yara", "zerofree": "zerofree",
}

// inUse is the error of what is not done to a device that is in use. In the appliance it
// comes from a program, without an errno.
func inUse(device string) error {
	return programError(unix.EBUSY, "open: %s", device)
}

// statusInUse is the exit status of fsck(8) where it does not begin.
const statusInUse = 8

// runTool runs a tool on copies of devices, which must not be in use if it changes them,
// and returns what it says and its exit status. What it has changed is written to the
// devices: see [hosttool.OnDevices].
func (s *Server) runTool(ctx context.Context, t tool) (out string, status int, err error) {
	if _, err := hosttool.Find(t.name); err != nil {
		return "", 0, missingTool(err)
	}
	// What is written has to be on the disks, for holes to be found there, and since the
	// device of a tool that reads may be mounted.
	if err := s.store.sync(); err != nil {
		return "", 0, err
	}
	var devices []hosttool.Device
	for _, device := range t.devices {
		flags := unix.O_RDONLY
		if t.use != hosttool.Reads {
			// Mounted devices are busy.
			flags = unix.O_RDWR | unix.O_EXCL
		}
		n, err := s.openNode(device, flags)
		if errors.Is(err, unix.EBUSY) {
			return "", statusInUse, inUse(device)
		}
		if err != nil {
			return "", 0, err
		}
		defer n.Close()
		devices = append(devices, toolDevice{n, s.holes(n)})
	}
	if t.use != hosttool.Reads {
		defer s.devicesChanged()
	}
	c := hosttool.Command{Name: t.name, Args: t.args, Use: t.use, In: t.in, Out: t.out}
	out, status, err = hosttool.OnDevices(ctx, c, devices, t.ok)
	return out, status, missingTool(err)
}

// toolDevice is a device as package hosttool takes it.
type toolDevice struct {
	*node
	holes holes
}

func (d toolDevice) Size() int64              { return d.size }
func (d toolDevice) NextData(off int64) int64 { return d.holes.next(off) }

// Clear implements hosttool.Device: the disk gets holes.
func (d toolDevice) Clear() error {
	return d.Punch(0, d.size)
}
