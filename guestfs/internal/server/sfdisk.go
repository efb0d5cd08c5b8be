package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume/part"
)

// The sfdisk family is deprecated since 1.0.78, but old programs have it. Lines are those
// of sfdisk(8): "start,size,type,bootable", all of which may be left out.

// sfdiskTypes are the shortcuts for types.
var sfdiskTypes = map[string]string{"": "", "L": "83", "S": "82", "E": "5", "X": "5", "V": "8e", "R": "fd", "U": "ef"}

// parseSfdisk returns what a line says. Places are in units of bytes.
func parseSfdisk(line string, unit int64) (spec part.Spec, bootable bool, err error) {
	f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if strings.Contains(line, ",") {
		f = strings.Split(line, ",")
	}
	f = append(f, "", "", "", "")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	spec.Start = -1
	for i, v := range map[int]*int64{0: &spec.Start, 1: &spec.Size} {
		if f[i] == "" || f[i] == "+" {
			continue
		}
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil || n < 0 || n > 1<<62/unit {
			return spec, false, errorf("sfdisk: %q: %q is not a place or size", line, f[i])
		}
		*v = n * unit
	}
	kind, ok := sfdiskTypes[f[2]]
	if !ok {
		kind = strings.TrimPrefix(f[2], "0x")
	}
	if kind != "" {
		id, err := strconv.ParseUint(kind, 16, 8)
		if err != nil {
			return spec, false, errorf("sfdisk: %q: %q is no type", line, f[2])
		}
		spec.Type = fmt.Sprintf("0x%02x", id)
		switch id {
		case 0x5, 0xf, 0x85:
			spec.Role = part.Extended
		}
	}
	return spec, f[3] == "*", nil
}

// sfdisk makes an MBR table of lines.
func (s *Server) sfdisk(device string, lines []string, unit int64) error {
	return s.editTable(device, "dos", func(e *part.Editor) error {
		primaries := 0
		for _, line := range lines {
			spec, bootable, err := parseSfdisk(line, unit)
			if err != nil {
				return err
			}
			// After four, or an extended one that is left, come logical ones.
			if primaries++; primaries > 4 {
				spec.Role = part.Logical
			}
			n, err := e.Add(spec)
			if err == nil && bootable {
				err = e.SetBootable(n, true)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
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
		spec, bootable, err := parseSfdisk(a.Line, 512)
		if err != nil {
			return err
		}
		old, err := e.Table()
		if err != nil {
			return err
		}
		if p, err := entry(old, a.Partnum); err == nil {
			if spec.Start == -1 {
				spec.Start = p.Start
			}
			if spec.Size == 0 {
				spec.Size = p.Size
			}
			if spec.Type == "" {
				spec.Type = p.Type
			}
			if err := e.Delete(a.Partnum); err != nil {
				return err
			}
		}
		if spec.Number = a.Partnum; a.Partnum > 4 && e.Type() == "dos" {
			spec.Number, spec.Role = 0, part.Logical
		}
		n, err := e.Add(spec)
		if err == nil && bootable {
			err = e.SetBootable(n, true)
		}
		return err
	})
}

// SfdiskL lists the partitions for people.
func (s *Server) SfdiskL(ctx context.Context, a *rpc.SfdiskLArgs) (string, error) {
	d, err := s.wholeDisk(a.Device)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Disk %s: %d bytes, %d sectors\n", a.Device, d.Size, d.Size/512)
	t, err := s.table(a.Device)
	if err != nil {
		return b.String(), nil
	}
	kind, unit := t.Type, int64(t.SectorSize)
	fmt.Fprintf(&b, "Units: sectors of 1 * %d = %d bytes\nDisklabel type: %s\nDisk identifier: %s\n\n", unit, unit, kind, t.ID)
	fmt.Fprintf(&b, "%-10s %4s %12s %12s %12s %s\n", "Device", "Boot", "Start", "End", "Sectors", "Type")
	for i := range t.Partitions {
		p := &t.Partitions[i]
		boot := ""
		if p.Bootable {
			boot = "*"
		}
		name := p.TypeName
		if name == "" {
			name = p.Type
		}
		fmt.Fprintf(&b, "%-10s %4s %12d %12d %12d %s\n", fmt.Sprint(a.Device, p.Number), boot, p.Start/unit, p.End()/unit-1, p.Size/unit, name)
	}
	return b.String(), nil
}

// geometry is one that a BIOS would make up.
func (s *Server) geometry(device string) (string, error) {
	d, err := s.wholeDisk(device)
	if err != nil {
		return "", err
	}
	const heads, sectors = 255, 63
	return fmt.Sprintf("%s: %d cylinders, %d heads, %d sectors/track\n", device, d.Size/512/heads/sectors, heads, sectors), nil
}

// SfdiskKernelGeometry returns the geometry of a disk for people.
func (s *Server) SfdiskKernelGeometry(ctx context.Context, a *rpc.SfdiskKernelGeometryArgs) (string, error) {
	return s.geometry(a.Device)
}

// SfdiskDiskGeometry returns the geometry of a disk for people.
func (s *Server) SfdiskDiskGeometry(ctx context.Context, a *rpc.SfdiskDiskGeometryArgs) (string, error) {
	return s.geometry(a.Device)
}
