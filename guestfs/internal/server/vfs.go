package server

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/probe"
)

// content returns what is on the device of a mountable.
func (s *Server) content(v string) (*probe.Info, error) {
	device, _ := s.parseMountable(v)
	return s.probe(device)
}

// VfsType returns the type of the file system, or "".
func (s *Server) VfsType(ctx context.Context, a *rpc.VfsTypeArgs) (string, error) {
	info, err := s.content(a.Mountable)
	if err != nil {
		return "", err
	}
	return info.Type, nil
}

// VfsLabel returns the label of a file system, or "".
func (s *Server) VfsLabel(ctx context.Context, a *rpc.VfsLabelArgs) (string, error) {
	info, err := s.content(a.Mountable)
	if err != nil {
		return "", err
	}
	return info.Label, nil
}

// VfsUuid returns the UUID of a file system, or "".
func (s *Server) VfsUuid(ctx context.Context, a *rpc.VfsUuidArgs) (string, error) {
	info, err := s.content(a.Mountable)
	if err != nil {
		return "", err
	}
	return info.UUID, nil
}

// GetE2label returns the label of an ext2, ext3 or ext4.
func (s *Server) GetE2label(ctx context.Context, a *rpc.GetE2labelArgs) (string, error) {
	info, err := s.content(a.Device)
	if err != nil {
		return "", err
	}
	return info.Label, nil
}

// GetE2uuid returns the UUID of an ext2, ext3 or ext4.
func (s *Server) GetE2uuid(ctx context.Context, a *rpc.GetE2uuidArgs) (string, error) {
	info, err := s.content(a.Device)
	if err != nil {
		return "", err
	}
	return info.UUID, nil
}

// findfs returns the first device that match says yes to.
func (s *Server) findfs(tag, value string, match func(d *unboot.Device) bool) (string, error) {
	// What is mounted may have been relabelled since anybody looked.
	if err := s.rescan(); err != nil {
		s.logf("%v", err)
	}
	img, err := s.image()
	if err != nil {
		return "", err
	}
	for _, d := range img.Devices() {
		if value != "" && match(d) {
			return d.Name, nil
		}
	}
	return "", errorf("unable to resolve '%s=%s'", tag, value)
}

// FindfsUuid returns the device of the file system with a UUID.
func (s *Server) FindfsUuid(ctx context.Context, a *rpc.FindfsUuidArgs) (string, error) {
	return s.findfs("UUID", a.Uuid, func(d *unboot.Device) bool {
		return d.Content != nil && strings.EqualFold(d.Content.UUID, a.Uuid)
	})
}

// FindfsLabel returns the device of the file system with a label.
func (s *Server) FindfsLabel(ctx context.Context, a *rpc.FindfsLabelArgs) (string, error) {
	return s.findfs("LABEL", a.Label, func(d *unboot.Device) bool {
		return d.Content != nil && d.Content.Label == a.Label
	})
}

// FindfsPartuuid returns the partition with a UUID.
func (s *Server) FindfsPartuuid(ctx context.Context, a *rpc.FindfsPartuuidArgs) (string, error) {
	return s.findfs("PARTUUID", a.Uuid, func(d *unboot.Device) bool {
		return d.Partition != nil && strings.EqualFold(d.Partition.UUID, a.Uuid)
	})
}

// FindfsPartlabel returns the partition with a name.
func (s *Server) FindfsPartlabel(ctx context.Context, a *rpc.FindfsPartlabelArgs) (string, error) {
	return s.findfs("PARTLABEL", a.Label, func(d *unboot.Device) bool {
		return d.Partition != nil && d.Partition.Name == a.Label
	})
}

// Blkid returns what "blkid -p -i" says of a device.
func (s *Server) Blkid(ctx context.Context, a *rpc.BlkidArgs) ([]rpc.Pair, error) {
	info, err := s.probe(a.Device)
	if err != nil {
		return nil, err
	}
	list := pairs{{Key: "DEVNAME", Value: a.Device}}
	list.add("LABEL", info.Label)
	list.add("UUID", info.UUID)
	list.add("UUID_SUB", info.UUIDSub)
	list.add("VERSION", info.Version)
	if info.BlockSize > 0 {
		list.add("BLOCK_SIZE", fmt.Sprint(info.BlockSize))
	}
	list.add("TYPE", info.Type)
	list.add("USAGE", string(info.Usage))
	err = s.withNode(a.Device, unix.O_RDONLY, func(n *node) error {
		for _, limit := range []struct {
			key string
			req uint
		}{
			{"MINIMUM_IO_SIZE", unix.BLKIOMIN},
			{"PHYSICAL_SECTOR_SIZE", unix.BLKPBSZGET},
			{"LOGICAL_SECTOR_SIZE", unix.BLKSSZGET},
		} {
			v, err := n.number(limit.req)
			if err != nil {
				return err
			}
			list.add(limit.key, fmt.Sprint(v))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := s.device(a.Device)
	if d == nil {
		return list, nil
	}
	if d.Kind != unboot.KindPartition {
		if t, err := s.table(a.Device); err == nil {
			list.add("PTUUID", t.ID)
			list.add("PTTYPE", t.Type)
		}
		return list, nil
	}
	whole := wholeOf(d)
	_, p, err := s.entry(whole.Name, d.Partition.Number)
	if err != nil {
		return list, nil
	}
	list.add("PART_ENTRY_SCHEME", d.Partition.Table)
	list.add("PART_ENTRY_NAME", p.Name)
	list.add("PART_ENTRY_UUID", p.UUID)
	list.add("PART_ENTRY_TYPE", strings.Replace(p.Type, "0x0", "0x", 1))
	switch {
	case d.Partition.Table == "dos" && p.Bootable:
		list.add("PART_ENTRY_FLAGS", "0x80")
	case p.Attributes != 0:
		list.add("PART_ENTRY_FLAGS", fmt.Sprintf("%#x", p.Attributes))
	}
	list.add("PART_ENTRY_NUMBER", fmt.Sprint(p.Number))
	list.add("PART_ENTRY_OFFSET", fmt.Sprint(p.Start/512))
	list.add("PART_ENTRY_SIZE", fmt.Sprint(p.Size/512))
	if img, err := s.image(); err == nil {
		dev, err := img.Kernel().ReadFile("/sys/block/"+strings.TrimPrefix(whole.Name, "/dev/")+"/dev", 64)
		if err == nil {
			list.add("PART_ENTRY_DISK", strings.TrimSpace(string(dev)))
		}
	}
	return list, nil
}

// pairs is a hashtable in the making.
type pairs []rpc.Pair

// add adds an entry if its value is not "".
func (p *pairs) add(key, value string) {
	if value != "" {
		*p = append(*p, rpc.Pair{Key: key, Value: value})
	}
}
