package server

import (
	"context"
	"errors"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/sfdisk"
	"github.com/unboot/unboot/volume/part"
)

// The sfdisk family is deprecated since 1.0.78, but old programs have it.

// sfdisk makes an MBR table of lines.
func (s *Server) sfdisk(device string, lines []string, unit int64) error {
	return s.editTable(device, "dos", func(e *part.Editor) error {
		return sfdiskError(sfdisk.Make(e, lines, unit))
	})
}

// sfdiskError words an error of a line as it is: it is not about the device.
func sfdiskError(err error) error {
	if line := (*sfdisk.LineError)(nil); errors.As(err, &line) {
		return errorf("%v", line)
	}
	return err
}

// Sfdisk makes a partition table. The geometry means nothing any more: sfdisk(8) counts
// in sectors.
func (s *Server) Sfdisk(ctx context.Context, a *rpc.SfdiskArgs) error {
	return s.sfdisk(a.Device, a.Lines, 512)
}

// SfdiskM makes a partition table of lines in MiB.
func (s *Server) SfdiskM(ctx context.Context, a *rpc.SfdiskMArgs) error {
	return s.sfdisk(a.Device, a.Lines, 1<<20)
}

// SfdiskN changes one partition.
func (s *Server) SfdiskN(ctx context.Context, a *rpc.SfdiskNArgs) error {
	return s.editEntry(a.Device, a.Partnum, func(e *part.Editor) error {
		return sfdiskError(sfdisk.Set(e, a.Partnum, a.Line, 512))
	})
}

// SfdiskL lists the partitions for people.
func (s *Server) SfdiskL(ctx context.Context, a *rpc.SfdiskLArgs) (string, error) {
	d, err := s.wholeDisk(a.Device)
	if err != nil {
		return "", err
	}
	t, err := s.table(a.Device)
	if err != nil {
		t = nil // a disk without a table is listed, too
	}
	return sfdisk.List(a.Device, d.Size, t), nil
}

// geometry is one that a BIOS would make up.
func (s *Server) geometry(device string) (string, error) {
	d, err := s.wholeDisk(device)
	if err != nil {
		return "", err
	}
	return sfdisk.Geometry(device, d.Size), nil
}

// SfdiskKernelGeometry returns the geometry of a disk for people.
func (s *Server) SfdiskKernelGeometry(ctx context.Context, a *rpc.SfdiskKernelGeometryArgs) (string, error) {
	return s.geometry(a.Device)
}

// SfdiskDiskGeometry returns the geometry of a disk for people.
func (s *Server) SfdiskDiskGeometry(ctx context.Context, a *rpc.SfdiskDiskGeometryArgs) (string, error) {
	return s.geometry(a.Device)
}
