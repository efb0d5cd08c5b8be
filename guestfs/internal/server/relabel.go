package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/volume/relabel"
)

var extTypes = []string{"ext2", "ext3", "ext4", "ext4dev"}

// notOfType is the error of what cannot be done with a type of file system.
func notOfType(what, fstype string) error {
	return &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("don't know how to %s '%s' filesystems", what, fstype)}
}

// SetLabel sets the label of a file system. Of those that are mounted the kernel has to
// do it, which it can for ext4 and its like, XFS and btrfs.
func (s *Server) SetLabel(ctx context.Context, a *rpc.SetLabelArgs) error {
	device, _ := s.parseMountable(a.Mountable)
	info, err := s.probe(device)
	if err != nil {
		return err
	}
	limits := map[string]int{"ext2": 16, "ext3": 16, "ext4": 16, "ext4dev": 16, "xfs": 12, "btrfs": 255, "vfat": 11, "swap": 16}
	if limit := limits[info.Type]; limit > 0 && len(a.Label) > limit {
		return errorf("%s: %s labels are limited to %d bytes", a.Label, info.Type, limit)
	}
	switch info.Type {
	case "ext2", "ext3", "ext4", "ext4dev", "vfat", "swap":
		err := s.edit(device, func(n *node) error { return relabel.SetLabel(n, info.Type, a.Label) })
		if errors.Is(err, unix.EBUSY) && slices.Contains(extTypes, info.Type) {
			return s.kernelLabel(device, "ext4", a.Label)
		}
		return err
	case "xfs", "btrfs":
		return s.kernelLabel(device, info.Type, a.Label)
	case "ntfs":
		_, err := s.onDevice(ctx, hosttool.Changes, device, nil, "ntfslabel", hosttool.Arg(0), a.Label)
		return ofDevice(err, device)
	}
	return notOfType("set the label for", info.Type)
}

// kernelLabel has the kernel set the label.
func (s *Server) kernelLabel(device, fstype, label string) error {
	const fsIocSetfslabel = 0x41009432
	arg := make([]byte, 256)
	copy(arg[:255], label)
	return s.mountedIoctl(device, fstype, fsIocSetfslabel, arg)
}

// kernelUUID has the kernel set the UUID of an ext2, ext3 or ext4, by what is struct
// fsuuid of ioctl_ext4(2).
func (s *Server) kernelUUID(device, uuid string) error {
	const ext4IocSetfsuuid = 0x4008662c
	id, err := relabel.ParseUUID(uuid)
	if err != nil {
		return errorf("%s: %q is not a UUID", device, uuid)
	}
	arg := make([]byte, 8, 8+16)
	binary.NativeEndian.PutUint32(arg, uint32(len(id)))
	return s.mountedIoctl(device, "ext4", ext4IocSetfsuuid, append(arg, id[:]...))
}

// mountedIoctl makes an ioctl on the root directory of a file system, which is mounted for
// a while if it is not.
func (s *Server) mountedIoctl(device, fstype string, cmd uint, arg []byte) error {
	err := s.withMounted(device, fstype, false, func(fd int) error {
		img, err := s.image()
		if err != nil {
			return err
		}
		_, err = img.Kernel().Ioctl(fd, cmd, arg)
		return err
	})
	return prefixed(err, device)
}

// SetUuid sets the UUID of a file system that is not mounted, or of an ext2, ext3 or ext4.
func (s *Server) SetUuid(ctx context.Context, a *rpc.SetUuidArgs) error {
	return s.setUUID(ctx, a.Device, a.Uuid)
}

// SetUuidRandom gives a file system a random UUID, as SetUuid does.
func (s *Server) SetUuidRandom(ctx context.Context, a *rpc.SetUuidRandomArgs) error {
	return s.setUUID(ctx, a.Device, "random")
}

func (s *Server) setUUID(ctx context.Context, device, uuid string) error {
	info, err := s.probe(device)
	if err != nil {
		return err
	}
	random := uuid == "random"
	if random {
		uuid = formatUUID(randomUUID())
	}
	// The tools have more to do where the UUID is in the checksums, or in every block.
	switch info.Type {
	case "ext2", "ext3", "ext4", "ext4dev":
		return s.setExtUUID(ctx, device, info.Type, uuid)
	case "swap":
		return s.edit(device, func(n *node) error { return relabel.SetUUID(n, info.Type, uuid) })
	case "xfs":
		return s.XfsAdmin(ctx, &rpc.XfsAdminArgs{Device: device, Uuid: rpc.Some(uuid)})
	case "btrfs":
		return s.useTool(ctx, hosttool.Changes, device, nil, "btrfstune", "-f", "-U", uuid)
	case "ntfs":
		if random {
			return s.useTool(ctx, hosttool.Changes, device, nil, "ntfslabel", "--new-serial")
		}
		return s.useTool(ctx, hosttool.Changes, device, nil, "ntfslabel", "--new-serial="+uuid)
	}
	return notOfType("set the UUID for", info.Type)
}

// setExtUUID sets the UUID of an ext2, ext3 or ext4: as tune2fs(8), also to "clear",
// "random" and "time".
func (s *Server) setExtUUID(ctx context.Context, device, fstype, uuid string) error {
	switch uuid {
	case "clear":
		uuid = formatUUID([16]byte{})
	case "random":
		uuid = formatUUID(randomUUID())
	}
	byTool := uuid == "time"
	var err error
	if !byTool {
		err = s.edit(device, func(n *node) error {
			err := relabel.SetUUID(n, fstype, uuid)
			byTool = errors.Is(err, relabel.ErrChecksums)
			return err
		})
	}
	switch {
	case byTool:
		return s.useTool(ctx, hosttool.Changes, device, nil, "tune2fs", "-f", "-U", uuid)
	case errors.Is(err, unix.EBUSY):
		return s.kernelUUID(device, uuid)
	}
	return err
}

func formatUUID(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// extType returns the type of a device that has to be an ext2, ext3 or ext4.
func (s *Server) extType(device string) (string, error) {
	info, err := s.probe(device)
	if err == nil && !slices.Contains(extTypes, info.Type) {
		err = errorf("%s: not an ext2, ext3 or ext4 filesystem", device)
	}
	if err != nil {
		return "", err
	}
	return info.Type, nil
}

// SetE2label sets the label of an ext2, ext3 or ext4.
func (s *Server) SetE2label(ctx context.Context, a *rpc.SetE2labelArgs) error {
	if _, err := s.extType(a.Device); err != nil {
		return err
	}
	return s.SetLabel(ctx, &rpc.SetLabelArgs{Mountable: a.Device, Label: a.Label})
}

// SetE2uuid sets the UUID of an ext2, ext3 or ext4.
func (s *Server) SetE2uuid(ctx context.Context, a *rpc.SetE2uuidArgs) error {
	fstype, err := s.extType(a.Device)
	if err != nil {
		return err
	}
	return s.setExtUUID(ctx, a.Device, fstype, a.Uuid)
}
