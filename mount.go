package unboot

// A Mount says where in a tree a device is mounted.
type Mount struct {
	// Device is the device's name, or anything else that [Image.Device]
	// accepts.
	Device string
	// Dir is the directory in the tree, as a path of an [FS]; "." or "" is
	// the root.
	Dir string
	// Type is the kernel's driver; "" finds it.
	Type string
	// Data holds options for the driver.
	Data string
	// ReadOnly mounts read-only even on a writable image.
	ReadOnly bool
}

// Mount mounts a device, given as [Image.Device] takes it. It is mounted
// read-only unless the image is writable. Errors are *[MountError], or wrap
// [ErrNotFound].
//
// The same device can be mounted more than once, with the same options.
func (img *Image) Mount(device string, opts ...MountOption) (*FS, error) { panic("not yet") }

// MountTree mounts devices into one tree, shallow directories first. One of the
// mounts must be of the root. If one fails, those before are undone.
func (img *Image) MountTree(mounts []Mount) (*FS, error) { panic("not yet") }

// MountAuto mounts what the user most likely means: the only file system of the
// image, or the operating system as [Image.MountOS] does. If there are several
// file systems and not exactly one with an operating system, the error is an
// *[AmbiguousError]; if there is none, it wraps [ErrNoFileSystem].
func (img *Image) MountAuto(opts ...MountOption) (*FS, error) { panic("not yet") }

// MountOS looks for the one file system that holds an operating system, and
// mounts it and the others that its fstab(5) names (/boot, /boot/efi, /usr,
// /home and so on) into one tree. Swap, network file systems, and entries
// whose device is not in the image are left out; [FS.Problems] names those, and
// what could not be mounted. On btrfs, the subvolume that fstab or the
// distributions' customs (@, root, @rootfs) name becomes the root.
func (img *Image) MountOS(opts ...MountOption) (*FS, error) { panic("not yet") }
