package server

import (
	"context"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// withoutFileSystem are the types of partitions that never have one: Microsoft's
// reserved ones, and the parts of a dynamic disk.
var withoutFileSystem = []string{
	"e3c9e316-0b5c-4db8-817d-f92df00215ae",
	"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
	"af9b60a0-1431-4f62-bc68-3311714a69ad",
	"caddebf1-4400-4de8-b103-12117dcf3ccf", // what Windows keeps snapshots in
	"0x42",
	"0x05", "0x0f", "0x85", // extended
}

// ListFilesystems returns what disks without partitions, devices of the device mapper, such as
// encrypted ones that are open, partitions, arrays, logical volumes and those of dynamic disks
// hold, in this order, with "unknown" for what is not known. Members of volumes and what LUKS encrypts are left out. A btrfs is followed by its
// subvolumes, but for the default one.
func (s *Server) ListFilesystems(ctx context.Context) ([]rpc.Pair, error) {
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range img.Devices() {
		if d.Kind == unboot.KindDisk && len(partitionsOf(d)) == 0 {
			names = append(names, d.Name)
		}
	}
	mapped, err := s.ListDmDevices(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range mapped {
		if d := s.device(name); d != nil && d.Kind != ldmKind && len(partitionsOf(d)) == 0 {
			names = append(names, name)
		}
	}
	partitions, err := s.ListPartitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range partitions {
		if d := s.device(name); d != nil && !slices.Contains(withoutFileSystem, d.Partition.Type) {
			names = append(names, name)
		}
	}
	arrays, err := s.arrays()
	if err != nil {
		return nil, err
	}
	for _, d := range arrays {
		if len(partitionsOf(d)) == 0 {
			names = append(names, d.Name)
		}
	}
	for _, more := range []func(context.Context) ([]string, error){s.Lvs, s.ListLdmVolumes} {
		list, err := more(ctx)
		if err != nil {
			return nil, err
		}
		names = append(names, list...)
	}
	var list []rpc.Pair
	for _, name := range names {
		list = append(list, s.fileSystems(name)...)
	}
	return list, nil
}

// fileSystems returns the file systems of a device.
func (s *Server) fileSystems(device string) []rpc.Pair {
	kind := ""
	if info, err := s.probe(device); err != nil {
		s.logf("%v", err)
	} else {
		kind = info.Type
	}
	switch {
	case kind == "":
		return []rpc.Pair{{Key: device, Value: "unknown"}}
	case strings.HasSuffix(kind, "_member"), kind == "crypto_LUKS":
		return nil
	case kind != "btrfs":
		return []rpc.Pair{{Key: device, Value: kind}}
	}
	list := []rpc.Pair{{Key: device, Value: kind}}
	err := s.withBtrfs(device, true, func(b btrfs.FS) error {
		subvolumes, err := b.Subvolumes()
		if err != nil {
			return err
		}
		def, err := b.Default()
		for _, v := range subvolumes {
			if v.ID != def {
				list = append(list, rpc.Pair{Key: mountable(device, v.Path), Value: kind})
			}
		}
		return err
	})
	if err != nil {
		s.logf("%s: %v", device, err)
	}
	return list
}
