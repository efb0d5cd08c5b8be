package unboot

import (
	"context"

	"github.com/unboot/unboot/lkl"
)

// An Image is a set of disks and the kernel that has them attached.
type Image struct {
	k *lkl.Kernel
}

// A Disk is a disk of an image.
type Disk struct {
	// Path is the host path, or the name given to [AddDevice].
	Path string
	// Name is the path of its node in the kernel, such as "/dev/sda".
	Name string
	// Size is in bytes.
	Size int64
	// SectorSize is the size of a logical block in bytes.
	SectorSize int
	// Table is the kind of the partition table, such as "gpt" or "dos"; ""
	// if there is none.
	Table string
	// UUID identifies the partition table, or is "".
	UUID string
}

// Open opens a disk image or a block device, starts a kernel and attaches the
// disk to it, read-only unless [Writable] says otherwise. With an empty path
// the disks are only those of the options [AddDisk] and [AddDevice].
//
// ctx bounds the whole life of the image, as that of exec.CommandContext does a
// command's: when it ends, the kernel is killed. An image must be closed.
//
// Errors are *fs.PathError with the host path for a disk that cannot be
// opened: they wrap fs.ErrNotExist, fs.ErrPermission, unix.EISDIR,
// [disk.ErrEmpty], [disk.ErrNotDisk], [disk.ErrInUse] or a *[disk.FormatError].
// They wrap [lkl.ErrNoKernel] if the program was built without a kernel.
func Open(ctx context.Context, path string, opts ...Option) (*Image, error) { panic("not yet") }

// Close unmounts every file system of the image, the last mounted first,
// and returns when everything has been written to the host's disks and the
// kernel has ended, or says what was not written. A read-only image has
// nothing to write: its kernel is just ended. Closing again returns nil.
func (img *Image) Close() error { panic("not yet") }

// Path returns the host path of the first disk.
func (img *Image) Path() string { panic("not yet") }

// ReadOnly reports whether the image was opened without [Writable].
func (img *Image) ReadOnly() bool { panic("not yet") }

// Kernel returns the kernel. What it has mounted under /mnt, and the disks
// attached to it, belong to the image.
func (img *Image) Kernel() *lkl.Kernel { return img.k }

// Disks returns the disks, in the order in which they were given.
func (img *Image) Disks() []*Disk { panic("not yet") }

// Devices returns all devices: each disk followed by its partitions, in the
// order of their numbers. Nothing is mounted to find out their content.
func (img *Image) Devices() []*Device { panic("not yet") }

// FileSystems returns the devices that hold a file system which this kernel
// can mount.
func (img *Image) FileSystems() []*Device { panic("not yet") }

// Device returns a device by its name (/dev/sda1, or sda1), or the first that
// matches UUID=, LABEL=, PARTUUID= or PARTLABEL=, as in fstab(5). If there is
// none, the error wraps [ErrNotFound].
func (img *Image) Device(name string) (*Device, error) { panic("not yet") }

// Problems returns what is wrong with the disks as far as it was noticed, in
// words: a partition that ends beyond the end of its disk, a file system larger
// than its device, and the like.
func (img *Image) Problems() []string { panic("not yet") }
