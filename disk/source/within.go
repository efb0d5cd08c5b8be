package source

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/compressed"
)

// compressedFormat returns the format of what a program has compressed: raw disks, and images
// in the inner formats, which name no other files.
func compressedFormat(program string, inner ...Format) Format {
	k := compressed.Kind(program)
	// within returns in which of them an image is, or nil, and the beginning of it.
	within := func(d disk.Device) (*Format, disk.Device) {
		u, err := k.Beginning(d)
		if err != nil {
			return nil, nil
		}
		head := make([]byte, disk.MinSize)
		if n, _ := u.ReadAt(head, 0); n < len(head) {
			return nil, nil
		}
		for i := range inner {
			if inner[i].Match(head, make([]byte, disk.MinSize)) {
				return &inner[i], u
			}
		}
		return nil, nil
	}
	f := Format{Name: program, Match: k.Match}
	f.OpenPart = func(d disk.Device, path, part string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
		in, _ := within(d)
		switch {
		case in == nil && part != "":
			return nil, &onlyDiskError{part, program}
		case in == nil:
			return k.Open(d, path, refer)
		}
		mine := &lent{Device: d}
		u, err := k.Unpacked(mine, path)
		if err != nil {
			return nil, err
		}
		image, err := in.OpenPart(u, path, part, refer)
		if err != nil {
			mine.kept = true
			u.Close()
			return nil, err
		}
		return image, nil
	}
	f.Open = func(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
		return f.OpenPart(d, path, "", refer)
	}
	f.Stat = func(d disk.Device) (int64, []disk.Reference, error) {
		if in, u := within(d); in != nil {
			return in.Stat(u)
		}
		return k.Stat(d)
	}
	f.StatMax = func(d disk.Device, most int64) (int64, error) {
		if in, u := within(d); in != nil {
			size, _, err := in.Stat(u)
			return size, err
		}
		return k.StatMax(d, most)
	}
	return f
}

// A lent device is not closed with what it was lent to if it is to be kept.
type lent struct {
	disk.Device
	kept bool
}

// Unwrap makes it a [disk.Wrapper].
func (l *lent) Unwrap() disk.Device { return l.Device }

func (l *lent) Close() error {
	if l.kept {
		return nil
	}
	return l.Device.Close()
}
