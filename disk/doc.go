// Package disk opens the disks of the host that images are made of: raw image
// files and block devices.
//
// # Locks
//
// A disk that is opened for writing is locked, so that two programs do not
// write to it at a time. On image files the lock is that of qemu's file driver
// (open file description locks of single bytes, fcntl(2) F_OFD_SETLK): a virtual
// machine that runs from the image, qemu-nbd or qemu-img, and this package keep
// each other out. As there, it is advisory, and readers are let in: a program
// that only reads takes no lock. It may ask before whether another program writes, and wait
// for him ([InUse], [Await]). Block devices are opened with O_EXCL, which also keeps
// out mounted file systems.
//
// # Foreign formats
//
// An image in a format that is not raw (qcow2, vmdk and so on) is refused with
// a [*FormatError], since reading it as a raw disk shows nonsense and writing to
// it destroys it.
package disk
