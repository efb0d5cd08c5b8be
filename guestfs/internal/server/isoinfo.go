package server

import (
	"context"
	"time"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/iso9660"
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
	d, err := iso9660.Read(h)
	if err == iso9660.ErrNotISO {
		return nil, errorf("%s: not an ISO file or CD-ROM", name)
	} else if err != nil {
		return nil, perror(err, "read: %s", name)
	}
	return &rpc.Isoinfo{
		IsoSystemId: d.System, IsoVolumeId: d.Volume, IsoVolumeSetId: d.VolumeSet,
		IsoPublisherId: d.Publisher, IsoDataPreparerId: d.DataPreparer, IsoApplicationId: d.Application,
		IsoCopyrightFileId: d.CopyrightFile, IsoAbstractFileId: d.AbstractFile, IsoBibliographicFileId: d.BibliographicFile,
		IsoVolumeSpaceSize: d.Blocks, IsoLogicalBlockSize: d.BlockSize, IsoVolumeSetSize: d.SetSize, IsoVolumeSequenceNumber: d.SequenceNumber,
		IsoVolumeCreationT: isoTime(d.Created), IsoVolumeModificationT: isoTime(d.Modified),
		IsoVolumeExpirationT: isoTime(d.Expires), IsoVolumeEffectiveT: isoTime(d.Effective),
	}, nil
}

// isoTime returns a time as libguestfs has it: -1 is none.
func isoTime(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.Unix()
}
