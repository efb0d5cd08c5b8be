package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// table reads the partition table of a disk. The error of a disk without one is EINVAL.
func (s *Server) table(device string) (*part.Table, error) {
	if d := s.device(device); d != nil && d.Kind == unboot.KindPartition {
		return nil, notWhole(d)
	}
	n, err := s.openNode(device, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	t, err := part.Read(n, n.size, n.sectorSize)
	switch {
	case errors.Is(err, part.ErrNoTable):
		return nil, perror(unix.EINVAL, "%s: unrecognised disk label", device)
	case err != nil:
		return nil, perror(err, "read: %s", device)
	case t.SectorSize != n.sectorSize:
		return nil, errorf("%s: the partition table is for sectors of %d bytes, the disk has %d", device, t.SectorSize, n.sectorSize)
	}
	return t, nil
}

// entry returns a partition of a table.
func entry(t *part.Table, number int) (*part.Partition, error) {
	if number < 1 {
		return nil, errorf("partition number must be >= 1")
	}
	for i := range t.Partitions {
		if p := &t.Partitions[i]; p.Number == number {
			return p, nil
		}
	}
	return nil, errorf("partition number %d not found", number)
}

func (s *Server) entry(device string, number int) (*part.Table, *part.Partition, error) {
	t, err := s.table(device)
	if err != nil {
		return nil, nil, err
	}
	p, err := entry(t, number)
	return t, p, err
}

// isLoop reports whether a disk without a partition table is what parted(8) takes for
// a single partition: a file system.
func (s *Server) isLoop(device string) (size int64, ok bool) {
	d := s.device(device)
	if d == nil {
		return 0, false
	}
	info, err := s.probe(device)
	if err != nil || info.Type == "" || info.Usage != probe.Filesystem && info.Type != "swap" {
		return 0, false
	}
	return d.Size, true
}

// PartList returns the partitions of a disk in the order of their places.
func (s *Server) PartList(ctx context.Context, a *rpc.PartListArgs) ([]rpc.Partition, error) {
	t, err := s.table(a.Device)
	if errors.Is(err, unix.EINVAL) {
		if size, ok := s.isLoop(a.Device); ok {
			return []rpc.Partition{{PartNum: 1, PartEnd: uint64(size - 1), PartSize: uint64(size)}}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.Partitions, func(a, b part.Partition) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Number, b.Number))
	})
	var list []rpc.Partition
	for i := range t.Partitions {
		p := &t.Partitions[i]
		list = append(list, rpc.Partition{
			PartNum:   int32(p.Number),
			PartStart: uint64(p.Start),
			PartEnd:   uint64(p.End() - 1),
			PartSize:  uint64(p.Size),
		})
	}
	return list, nil
}

// PartGetParttype returns "msdos" or "gpt".
func (s *Server) PartGetParttype(ctx context.Context, a *rpc.PartGetParttypeArgs) (string, error) {
	t, err := s.table(a.Device)
	if errors.Is(err, unix.EINVAL) {
		if _, ok := s.isLoop(a.Device); ok {
			return "", errorf("%s: not a partitioned device", a.Device)
		}
	}
	if err != nil {
		return "", err
	}
	if t.Type == "dos" {
		return "msdos", nil
	}
	return t.Type, nil
}

// PartGetBootable returns what parted(8) calls the boot flag: the active partition, or
// an EFI system partition.
func (s *Server) PartGetBootable(ctx context.Context, a *rpc.PartGetBootableArgs) (bool, error) {
	t, p, err := s.entry(a.Device, a.Partnum)
	if err != nil {
		return false, err
	}
	if t.Type == "gpt" {
		return strings.EqualFold(p.Type, guidESP), nil
	}
	return p.Bootable, nil
}

// PartGetName returns the name of a partition.
func (s *Server) PartGetName(ctx context.Context, a *rpc.PartGetNameArgs) (string, error) {
	t, p, err := s.entry(a.Device, a.Partnum)
	switch {
	case err != nil:
		return "", err
	case t.Type != "gpt":
		return "", errorf("part-get-name can only be used on GUID Partition Tables")
	}
	return p.Name, nil
}

// PartGetMbrId returns the type of a partition: of a GPT, the first 32 bits of it.
func (s *Server) PartGetMbrId(ctx context.Context, a *rpc.PartGetMbrIdArgs) (int, error) {
	_, p, err := s.entry(a.Device, a.Partnum)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(p.Type, "0x"), "-")
	id, err := strconv.ParseUint(first, 16, 32)
	if err != nil {
		return 0, errorf("%s: partition %d is of type %s", a.Device, a.Partnum, p.Type)
	}
	return int(int32(id)), nil
}

// PartGetMbrPartType returns "primary", "extended" or "logical".
func (s *Server) PartGetMbrPartType(ctx context.Context, a *rpc.PartGetMbrPartTypeArgs) (string, error) {
	t, p, err := s.entry(a.Device, a.Partnum)
	if err != nil {
		return "", err
	}
	return string(p.Role(t.Type)), nil
}

// PartGetGptType returns the type of a partition, of an MBR table the one that it would
// have in a GPT.
func (s *Server) PartGetGptType(ctx context.Context, a *rpc.PartGetGptTypeArgs) (string, error) {
	t, p, err := s.entry(a.Device, a.Partnum)
	if err != nil {
		return "", err
	}
	guid := p.Type
	if t.Type != "gpt" {
		id, err := strconv.ParseUint(strings.TrimPrefix(p.Type, "0x"), 16, 8)
		if guid = part.GPTType(byte(id)); err != nil || guid == "" {
			return "", errorf("%s: partition %d has no GPT type", a.Device, a.Partnum)
		}
	}
	return strings.ToUpper(guid), nil
}

func (s *Server) gptEntry(device string, number int) (*part.Partition, error) {
	t, p, err := s.entry(device, number)
	if err == nil && t.Type != "gpt" {
		err = errorf("%s: not a GUID Partition Table", device)
	}
	return p, err
}

// PartGetGptGuid returns the GUID of a partition.
func (s *Server) PartGetGptGuid(ctx context.Context, a *rpc.PartGetGptGuidArgs) (string, error) {
	p, err := s.gptEntry(a.Device, a.Partnum)
	if err != nil {
		return "", err
	}
	return strings.ToUpper(p.UUID), nil
}

// PartGetGptAttributes returns the attributes of a partition.
func (s *Server) PartGetGptAttributes(ctx context.Context, a *rpc.PartGetGptAttributesArgs) (int64, error) {
	p, err := s.gptEntry(a.Device, a.Partnum)
	if err != nil {
		return 0, err
	}
	return int64(p.Attributes), nil
}

// PartGetDiskGuid returns the GUID of a disk.
func (s *Server) PartGetDiskGuid(ctx context.Context, a *rpc.PartGetDiskGuidArgs) (string, error) {
	t, err := s.table(a.Device)
	switch {
	case err != nil:
		return "", err
	case t.Type != "gpt":
		return "", errorf("%s: not a GUID Partition Table", a.Device)
	}
	return strings.ToUpper(t.ID), nil
}
