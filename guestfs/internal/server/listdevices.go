package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/devname"
)

// ListDevices returns the disks.
func (s *Server) ListDevices(ctx context.Context) ([]string, error) {
	var list []string
	for i := range s.config.Drives {
		list = append(list, devname.Disk(i))
	}
	return list, nil
}

// NrDevices returns the number of disks.
func (s *Server) NrDevices(ctx context.Context) (int, error) { return len(s.config.Drives), nil }

// ListPartitions returns the partitions of all disks.
func (s *Server) ListPartitions(ctx context.Context) ([]string, error) {
	if len(s.config.Drives) == 0 {
		return nil, nil
	}
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, d := range img.Devices() {
		if isListedPartition(d) {
			list = append(list, d.Name)
		}
	}
	slices.SortFunc(list, compareNames)
	return list, nil
}

// isListedPartition reports whether a device is a partition of a disk or an array. Partitions
// of logical volumes, which the appliance does not look for, are devices of the device mapper.
// What look like partitions of a member are those of the array: mdadm takes them away.
func isListedPartition(d *unboot.Device) bool {
	if d.Kind != unboot.KindPartition {
		return false
	}
	whole := wholeOf(d)
	if whole == nil || whole.Kind != unboot.KindDisk {
		return whole != nil && whole.Volume != nil && whole.Volume.Array != nil
	}
	return !slices.ContainsFunc(whole.Children(), func(c *unboot.Device) bool { return c.Volume != nil && c.Volume.Array != nil })
}

// compareNames is the order in which the appliance lists disks, partitions and arrays. The
// driver's letters do not count, and longer names come later.
func compareNames(a, b string) int {
	x, m := splitName(a)
	y, n := splitName(b)
	return cmp.Or(len(x)-len(y), strings.Compare(x, y), m-n)
}

// splitName returns the name of the disk without the driver's letters, and the number of
// the partition: "a" and 1 of "/dev/sda1", "127" and 2 of "/dev/md127p2".
func splitName(name string) (disk string, number int) {
	disk = strings.TrimPrefix(name, "/dev/")
	rest := strings.TrimRight(disk, "0123456789")
	number, _ = strconv.Atoi(disk[len(rest):])
	if whole := strings.TrimSuffix(rest, "p"); whole != strings.TrimRight(whole, "0123456789") {
		rest = whole
	}
	return strings.TrimPrefix(strings.TrimPrefix(rest, "sd"), "md"), number
}

// ListDiskLabels returns the labels that drives were added with, and the devices: of
// the disk, and of its partitions with their number after the label.
func (s *Server) ListDiskLabels(ctx context.Context) ([]rpc.Pair, error) {
	var list []rpc.Pair
	for i, d := range s.config.Drives {
		if d.Label == "" {
			continue
		}
		list = append(list, rpc.Pair{Key: d.Label, Value: devname.Disk(i)})
		for _, p := range partitionsOf(s.device(devname.Disk(i))) {
			list = append(list, rpc.Pair{Key: fmt.Sprint(d.Label, p.Partition.Number), Value: p.Name})
		}
	}
	return list, nil
}

// PartToDev returns the disk of a partition.
func (s *Server) PartToDev(ctx context.Context, a *rpc.PartToDevArgs) (string, error) {
	d, err := s.partition(a.Partition)
	if err != nil {
		return "", err
	}
	return wholeOf(d).Name, nil
}

// PartToPartnum returns the number of a partition.
func (s *Server) PartToPartnum(ctx context.Context, a *rpc.PartToPartnumArgs) (int, error) {
	d, err := s.partition(a.Partition)
	if err != nil {
		return 0, err
	}
	return d.Partition.Number, nil
}

// IsWholeDevice reports whether a device is a disk.
func (s *Server) IsWholeDevice(ctx context.Context, a *rpc.IsWholeDeviceArgs) (bool, error) {
	d := s.device(a.Device)
	return d != nil && d.Kind == unboot.KindDisk, nil
}
