// Package unboot opens disk images and reads and writes the file systems in
// them, with the storage code of the Linux kernel running as a library: in
// milliseconds, without root, without a virtual machine.
//
//	img, err := unboot.Open(ctx, "disk.img")
//	if err != nil { … }
//	defer img.Close()
//	root, err := img.MountAuto()
//	if err != nil { … }
//	data, err := root.ReadFile("etc/os-release")
//
// # Images, devices and file systems
//
// An [Image] is one disk or several, and the kernel that has them attached.
// Its [Device]s are the disks and their partitions, under the names that the
// kernel gives them, such as /dev/sda1; what they hold is known without
// mounting anything. A device is mounted as an [FS]; more devices can be
// mounted into the same tree, as a running system has them.
//
// # Reading changes nothing
//
// An image is opened read-only unless the option [Writable] is given. Then not
// one byte of it changes, even if a journal has to be replayed to make sense of
// it: what the kernel writes goes to an overlay, in memory by default, and is
// forgotten (see [Overlay]). With Writable, two programs cannot write to one
// image at a time: see package disk for the lock.
//
// # Paths
//
// A path in an FS is as package io/fs wants it: elements separated by slashes,
// no slash at the start or the end, no empty, "." or ".." element, and "." for
// the root. Unlike there it may hold bytes that are not UTF-8. [CleanPath]
// makes such a path from what a user types. Symbolic links are resolved inside
// the tree: an absolute one starts at the tree's root, and ".." stops there. No
// method looks at a path of the host, except Open at those of disks.
//
// An open device node, FIFO or socket of an image is never connected to
// anything: opening one is an error, or reads as empty.
//
// # Errors
//
// Errors about a path are *fs.PathError or *os.LinkError and wrap a unix.Errno,
// so errors.Is works with fs.ErrNotExist as with unix.ENOSPC. Mounting fails
// with a [*MountError], which has the kernel's own words. A file system that is
// mounted read-only answers [golang.org/x/sys/unix.EROFS].
//
// # Lifetime and concurrency
//
// Everything of an image may be used from several goroutines. A [File], like
// an os.File, has one offset; its ReadAt and WriteAt do not use it. Some thousand
// files can be open at a time; one more is unix.EMFILE until some are closed. The context
// given to Open bounds the life of the image: when it ends, the kernel is
// killed and every call returns an error. An image that is not trusted deserves
// a context with a deadline, for corrupted metadata can keep a kernel busy
// forever.
package unboot
