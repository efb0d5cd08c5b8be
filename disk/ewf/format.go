package ewf

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/readonly"
)

// The functions of this file are what a list of formats has of one: see
// [github.com/unboot/unboot/disk/source.Format].

// Match reports whether an image that begins with head is a segment of one in this format.
func Match(head, _ []byte) bool { return string(head[:len(signature)]) == signature }

// Open opens an image as [New] does.
func Open(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	return below.Opened(New(d, path, refer))
}

// Stat returns the size of the disk in bytes, and the segment that follows the one on the
// device, if that is a file of the host and not the last segment. The size of an image is 0
// if the device is not its first segment, which alone has it.
func Stat(d disk.Device) (size int64, refs []disk.Reference, err error) {
	s, err := readSegment(d)
	if err != nil {
		return 0, nil, err
	}
	if v := s.volume; v != nil {
		size = v.size()
	} else if s.number == 1 {
		return 0, nil, damage.Errorf("it has no section that says how large the disk is")
	}
	if name, ok := segmentName(readonly.Base(readonly.Path(d)), s.number, s.number+1); ok && !s.last {
		refs = append(refs, reference(name))
	}
	return size, refs, nil
}

func reference(name string) disk.Reference {
	return disk.Reference{Role: disk.DataFile, Name: readonly.Beside(name), Format: "raw"}
}
