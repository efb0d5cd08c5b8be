package server

// Drive is a disk as the library describes it.
type Drive struct {
	// Path is the host path of an image or block device. With Protocol it is the path
	// at the server.
	Path string

	// Format is the image's format, "raw" or another one of package disk/source, or ""
	// if it is to be found out.
	Format string

	// Protocol is "" for a file, or "nbd", "ssh", "http", "https", "ftp", "ftps",
	// "iscsi" or "rbd". URL then has all that the library said, as qemu spells it.
	Protocol string
	URL      string

	// ReadOnly says that nothing must be written to the disk, and what programs write
	// is to be forgotten (qemu's snapshot=on). The library's own way to this is an
	// empty qcow2 overlay of its own, which is not ReadOnly.
	ReadOnly bool

	// Unsafe says that nothing has to be flushed (qemu's cache=unsafe).
	Unsafe bool

	// Discard says that discarded blocks may be given back to the host.
	Discard bool

	// CopyOnRead says that what is read from a backing file is to be kept.
	CopyOnRead bool

	// Label is the serial number; the disk is also /dev/disk/guestfs/LABEL.
	Label string

	// LogicalBlock and PhysicalBlock are sizes of sectors in bytes, or 0 for 512.
	LogicalBlock, PhysicalBlock int
}
