package server

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// IsoinfoDevice returns what the primary volume descriptor of an ISO 9660 says.
func (s *Server) IsoinfoDevice(ctx context.Context, a *rpc.IsoinfoDeviceArgs) (*rpc.Isoinfo, error) {
	return s.isoinfo(a.Device)
}

// Isoinfo returns what the primary volume descriptor of an ISO 9660 in a file says.
func (s *Server) Isoinfo(ctx context.Context, a *rpc.IsoinfoArgs) (*rpc.Isoinfo, error) {
	return s.isoinfo(a.Isofile)
}

func (s *Server) isoinfo(name string) (*rpc.Isoinfo, error) {
	h, err := s.openRead(name)
	if err != nil {
		return nil, err
	}
	defer h.close()
	d := make([]byte, isoSector)
	if _, err := h.ReadAt(d, isoDescriptor); errors.Is(err, io.EOF) {
		return nil, errorf("%s: not an ISO file or CD-ROM", name)
	} else if err != nil {
		return nil, perror(err, "read: %s", name)
	}
	info, ok := parseIso(d)
	if !ok {
		return nil, errorf("%s: not an ISO file or CD-ROM", name)
	}
	return info, nil
}

const (
	isoSector     = 2048
	isoDescriptor = 16 * isoSector
)

// parseIso parses a primary volume descriptor, ECMA-119 8.4. Numbers stand there in both
// byte orders, the little one first.
func parseIso(d []byte) (*rpc.Isoinfo, bool) {
	const primary = 1
	if len(d) < isoSector || d[0] != primary || string(d[1:6]) != "CD001" {
		return nil, false
	}
	text := func(at, size int) string {
		b := d[at : at+size]
		return strings.ToValidUTF8(strings.TrimRight(cString(b), " "), "\ufffd")
	}
	u16 := func(at int) uint32 { return uint32(binary.LittleEndian.Uint16(d[at:])) }
	return &rpc.Isoinfo{
		IsoSystemId: text(8, 32), IsoVolumeId: text(40, 32),
		IsoVolumeSpaceSize: binary.LittleEndian.Uint32(d[80:]),
		IsoVolumeSetSize:   u16(120), IsoVolumeSequenceNumber: u16(124), IsoLogicalBlockSize: u16(128),
		IsoVolumeSetId: text(190, 128), IsoPublisherId: text(318, 128), IsoDataPreparerId: text(446, 128), IsoApplicationId: text(574, 128),
		IsoCopyrightFileId: text(702, 37), IsoAbstractFileId: text(739, 37), IsoBibliographicFileId: text(776, 37),
		IsoVolumeCreationT: isoTime(d[813:]), IsoVolumeModificationT: isoTime(d[830:]),
		IsoVolumeExpirationT: isoTime(d[847:]), IsoVolumeEffectiveT: isoTime(d[864:]),
	}, true
}

// isoTime parses a date, ECMA-119 8.4.26.1: digits, and a signed byte of quarters of an
// hour that it is ahead of UTC. -1 is none.
func isoTime(b []byte) int64 {
	t, err := time.Parse("20060102150405", string(b[:14]))
	if err != nil {
		return -1
	}
	return t.Unix() - int64(int8(b[16]))*15*60
}
