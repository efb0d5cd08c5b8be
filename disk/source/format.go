package source

import (
	"errors"
	"fmt"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/split"
)

// A Format is a way to store a disk in an image. Its functions get images that nobody
// vouches for: they must end, in bounded memory, whatever is in there.
type Format struct {
	// Name is what QEMU calls the format: "raw", "qcow2". It is what an image says of
	// its backing file, and a user of an image. One that QEMU does not know has the name
	// that its own tools have for it.
	Name string

	// Match reports whether an image whose first and last 512 bytes these are is in
	// the format. What is not there of a smaller image is zeros. It is nil for raw,
	// which is what no other format has recognized.
	Match func(head, tail []byte) bool

	// Open opens the image on a device for reading, or, if the format is Writable, as
	// the device was opened. path is for errors. The image closes the device when it
	// is closed, but not if Open fails.
	//
	// Other files that the image names are opened by refer, one after the other,
	// which looks only at Role, Name, Format and Writable. The image closes these too.
	Open func(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error)

	// OpenSnapshot is Open, for reading, of the disk as it was in a snapshot that the image
	// keeps, which is named as [disk.Snapshotter] says. It is nil for a format that has no
	// snapshots.
	OpenSnapshot func(d disk.Device, path, snapshot string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error)

	// OpenPart is Open of one of the disks of an image that may have several, by its name. It
	// is nil for a format whose images have one.
	OpenPart func(d disk.Device, path, part string, refer func(disk.Reference) (disk.Device, error)) (disk.Device, error)

	// Stat returns the size of the disk in bytes, and the files that the image names,
	// without opening these.
	Stat func(d disk.Device) (size int64, refs []disk.Reference, err error)

	// Create writes an image without content on a device of no size, a file that grows
	// as it is written to, for Open. path is for errors. It is nil for a format that
	// cannot be created.
	Create func(d disk.Device, path string, o disk.CreateOptions) error

	// Check looks through the tables of the image on a device, and repairs what it may,
	// for which the device is open for writing. It is nil for a format without tables
	// that could be wrong.
	Check func(d disk.Device, path string, r disk.Repair) (disk.CheckResult, error)

	// CheckParts is Check, without a repair, of an image that may consist of several files,
	// which refer opens. It is nil for a format each of whose files is checked by itself.
	CheckParts func(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (disk.CheckResult, error)

	// State says what an image says of its own state that Stat has no place for: reasons not
	// to take an image from somebody who is not trusted, and what is only worth a note. It is
	// nil for a format that has nothing of that.
	State func(d disk.Device) (reasons, notes []disk.Finding, err error)

	// StatMax returns the size of the disk in bytes, or any number above most if it is
	// larger than that. It is for a format whose size is known only when all of it was read,
	// else nil.
	StatMax func(d disk.Device, most int64) (int64, error)

	// Signatures are what [disk.Signatures] calls the format, if not Name.
	Signatures []string

	// Endings are those that names of files in the format have, without the dot and in
	// lower case.
	Endings []string

	// Encrypts says that Create looks at [disk.CreateOptions.Encrypt].
	Encrypts bool

	// Whole says that what is stored is in the file whole, also at its end: a file that ends
	// before that was cut off.
	Whole bool

	// Writable says that what Open returns can be written to.
	Writable bool
}

// Format returns the format of a name, or nil if it is not known.
func (r *Registry) Format(name string) *Format {
	for i := range r.Formats {
		if r.Formats[i].Name == name {
			return &r.Formats[i]
		}
	}
	return nil
}

// recognize returns the format that an image looks like, by its content, or by its name if
// that is one of the host. The error is a
// *disk.FormatError if it is known not to be any of ours.
func (r *Registry) recognize(d disk.Device, at place) (*Format, error) {
	head, tail, err := ends(d)
	if err != nil {
		return nil, err
	}
	for i := range r.Formats {
		if f := &r.Formats[i]; f.Match != nil && f.Match(head, tail) {
			return f, nil
		}
	}
	if err := disk.CheckRaw(d, d.Size()); err != nil {
		return nil, err
	}
	if err := checkSize(d); err != nil {
		return nil, err
	}
	if f := r.Format(splitFormat); f != nil && at.host && split.First(at.name) {
		return f, nil
	}
	if f := r.Format(rawFormat); f != nil {
		return f, nil
	}
	return nil, errors.New("no format is recognized")
}

// ends returns the first and the last bytes of an image.
func ends(d disk.Device) (head, tail []byte, err error) {
	size := d.Size()
	switch {
	case size < 0:
		return nil, nil, fmt.Errorf("an image of %d bytes", size)
	case size == 0:
		return nil, nil, disk.ErrEmpty
	}
	b := make([]byte, 2*disk.MinSize)
	head, tail = b[:disk.MinSize:disk.MinSize], b[disk.MinSize:]
	if err := readSome(d, head, 0, size); err != nil {
		return nil, nil, err
	}
	return head, tail, readSome(d, tail, max(size-disk.MinSize, 0), size)
}

// readSome reads what there is, and leaves the rest of p as it is.
func readSome(d disk.Device, p []byte, off, size int64) error {
	p = p[:min(int64(len(p)), size-off)]
	if n, err := d.ReadAt(p, off); n < len(p) && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
