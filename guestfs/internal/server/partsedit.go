package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/part"
)

const guidESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" // an EFI system partition

// editTable changes the partition table of a disk: that which is there, or a new one of
// a kind if kind is not "". The kernel and the image know of it afterwards.
func (s *Server) editTable(device, kind string, f func(e *part.Editor) error) error {
	if _, err := s.wholeDisk(device); err != nil {
		return err
	}
	flags := unix.O_RDWR
	if kind != "" {
		flags |= unix.O_EXCL // no partition of the old one may be mounted
	}
	n, err := s.openNode(device, flags)
	if errors.Is(err, unix.EBUSY) {
		return errorf("%s: Partition(s) on %s are being used.", device, device)
	}
	if err != nil {
		return err
	}
	err = n.editTable(kind, f)
	n.Close()
	if err != nil {
		return err
	}
	return s.rescan()
}

func (n *node) editTable(kind string, f func(e *part.Editor) error) error {
	o := part.EditOptions{SectorSize: n.sectorSize}
	var e *part.Editor
	var err error
	if kind != "" {
		e, err = part.New(kind, n.size, o)
	} else {
		e, err = part.Edit(n, n.size, o)
	}
	if errors.Is(err, part.ErrNoTable) {
		return perror(unix.EINVAL, "%s: unrecognised disk label", n.Name())
	}
	if err == nil && f != nil {
		err = f(e)
	}
	if err == nil {
		err = e.Commit(n)
	}
	var wire *protocol.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wire):
		return err
	case protocol.Errno(err) != 0:
		return perror(err, "%s", n.Name())
	}
	return errorf("%s: %v", n.Name(), err)
}

// tableKinds are the names of kinds of partition tables: those of package part, or ""
// for what is known but not made here.
var tableKinds = map[string]string{
	"gpt": "gpt", "efi": "gpt", "mbr": "dos", "msdos": "dos",
	"aix": "", "amiga": "", "rdb": "", "bsd": "", "dasd": "", "dvh": "", "mac": "", "pc98": "", "sun": "",
}

func tableKind(name string) (string, error) {
	kind, ok := tableKinds[name]
	if !ok {
		return "", errorf("unknown partition type: common choices are \"gpt\" and \"msdos\"")
	}
	if kind == "" {
		return "", &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("partition tables of type %s are not available in unboot", name)}
	}
	return kind, nil
}

// PartInit makes an empty partition table.
func (s *Server) PartInit(ctx context.Context, a *rpc.PartInitArgs) error {
	kind, err := tableKind(a.Parttype)
	if err != nil {
		return err
	}
	return s.editTable(a.Device, kind, nil)
}

// PartDisk makes a partition table with one partition, which leaves 64 KiB at either
// end of the disk.
func (s *Server) PartDisk(ctx context.Context, a *rpc.PartDiskArgs) error {
	kind, err := tableKind(a.Parttype)
	if err != nil {
		return err
	}
	return s.editTable(a.Device, kind, func(e *part.Editor) error {
		sector := int64(e.SectorSize())
		start := 128 * sector
		spec := part.Spec{Start: start, Size: s.device(a.Device).Size/sector*sector - 127*sector - start}
		if spec.Size <= 0 {
			return errorf("%s: the disk is too small", a.Device)
		}
		if e.Type() == "gpt" {
			spec.Name = "p1"
		}
		_, err := e.Add(spec)
		return err
	})
}

var roles = map[string]part.Role{
	"p": part.Primary, "primary": part.Primary,
	"l": part.Logical, "logical": part.Logical,
	"e": part.Extended, "extended": part.Extended,
}

// PartAdd adds a partition.
func (s *Server) PartAdd(ctx context.Context, a *rpc.PartAddArgs) error {
	role, ok := roles[a.Prlogex]
	switch {
	case !ok:
		return errorf("unknown partition type: %s: this should be \"primary\", \"logical\" or \"extended\"", a.Prlogex)
	case a.Startsect < 0:
		return errorf("startsect cannot be negative")
	}
	return s.editTable(a.Device, "", func(e *part.Editor) error {
		d := s.device(a.Device)
		sector := int64(e.SectorSize())
		sectors := d.Size / sector
		end := a.Endsect
		if end < 0 {
			end += sectors
		}
		if end < a.Startsect || end >= sectors || a.Startsect >= sectors {
			return errorf("%s: the partition from sector %d to %d is not on the disk, which has %d", a.Device, a.Startsect, a.Endsect, sectors)
		}
		spec := part.Spec{Start: a.Startsect * sector, Size: (end + 1 - a.Startsect) * sector, Role: role}
		if e.Type() == "gpt" {
			// As parted(8), which has a name there in place of the role.
			spec.Name, spec.Role = string(role), part.Primary
		}
		_, err := e.Add(spec)
		return err
	})
}

// PartDel deletes a partition.
func (s *Server) PartDel(ctx context.Context, a *rpc.PartDelArgs) error {
	// Before it is gone from the table: what is mounted stays.
	name := fmt.Sprint(a.Device, a.Partnum)
	if s.deviceExists(name) {
		n, err := s.openNode(name, unix.O_RDONLY|unix.O_EXCL)
		if errors.Is(err, unix.EBUSY) {
			return errorf("%s: Partition %s is being used.", a.Device, name)
		}
		if err == nil {
			n.Close()
		}
	}
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error { return e.Delete(a.Partnum) })
}

// editEntry changes a partition.
func (s *Server) editEntry(device string, number int, f func(e *part.Editor) error) error {
	if number < 1 {
		return errorf("partition number must be >= 1")
	}
	return s.editTable(device, "", f)
}

// PartResize moves the end of a partition.
func (s *Server) PartResize(ctx context.Context, a *rpc.PartResizeArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		sector := int64(e.SectorSize())
		end := a.Endsect
		sectors := s.device(a.Device).Size / sector
		if end < 0 {
			end += sectors
		}
		if end < 0 || end >= sectors {
			return errorf("%s: sector %d is not on the disk, which has %d", a.Device, a.Endsect, sectors)
		}
		return e.Resize(a.Partnum, (end+1)*sector)
	})
}

// PartSetBootable sets what parted(8) calls the boot flag.
func (s *Server) PartSetBootable(ctx context.Context, a *rpc.PartSetBootableArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error { return e.SetBootable(a.Partnum, a.Bootable) })
}

// PartSetName sets the name of a partition.
func (s *Server) PartSetName(ctx context.Context, a *rpc.PartSetNameArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		if e.Type() != "gpt" {
			return errorf("%s: msdos disk labels do not support partition name.", a.Device)
		}
		return e.SetName(a.Partnum, a.Name)
	})
}

// PartSetMbrId sets the type of a partition of an MBR table.
func (s *Server) PartSetMbrId(ctx context.Context, a *rpc.PartSetMbrIdArgs) error {
	if a.Idbyte < 0 || a.Idbyte > 0xff {
		return errorf("the type %#x is not a byte", a.Idbyte)
	}
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		return e.SetType(a.Partnum, fmt.Sprintf("%#02x", a.Idbyte))
	})
}

// PartSetGptType sets the type of a partition of a GPT.
func (s *Server) PartSetGptType(ctx context.Context, a *rpc.PartSetGptTypeArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		if e.Type() != "gpt" {
			return errorf("%s: not a GUID Partition Table", a.Device)
		}
		return e.SetType(a.Partnum, strings.ToLower(a.Guid))
	})
}

// PartSetGptGuid sets the GUID of a partition.
func (s *Server) PartSetGptGuid(ctx context.Context, a *rpc.PartSetGptGuidArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error { return e.SetUUID(a.Partnum, strings.ToLower(a.Guid)) })
}

// PartSetGptAttributes sets the attributes of a partition.
func (s *Server) PartSetGptAttributes(ctx context.Context, a *rpc.PartSetGptAttributesArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		return e.SetAttributes(a.Partnum, uint64(a.Attributes))
	})
}

// editGPT changes a GPT.
func (s *Server) editGPT(device string, f func(e *part.Editor) error) error {
	return s.editTable(device, "", func(e *part.Editor) error {
		if e.Type() != "gpt" {
			return errorf("%s: not a GUID Partition Table", device)
		}
		return f(e)
	})
}

// PartSetDiskGuid sets the GUID of a disk.
func (s *Server) PartSetDiskGuid(ctx context.Context, a *rpc.PartSetDiskGuidArgs) error {
	return s.editGPT(a.Device, func(e *part.Editor) error { return e.SetID(strings.ToLower(a.Guid)) })
}

// PartSetDiskGuidRandom makes a new GUID for a disk.
func (s *Server) PartSetDiskGuidRandom(ctx context.Context, a *rpc.PartSetDiskGuidRandomArgs) error {
	return s.editGPT(a.Device, func(e *part.Editor) error { return e.SetID("") })
}

// PartExpandGpt moves the backup of a GPT to the end of the disk.
func (s *Server) PartExpandGpt(ctx context.Context, a *rpc.PartExpandGptArgs) error {
	return s.editGPT(a.Device, func(e *part.Editor) error { return e.Expand() })
}
