// Package lkl is the Linux Kernel Library for Go: it runs a Linux kernel as a
// process of its own, without privileges and without a virtual machine, and
// offers the kernel's system calls as methods, under the names that they have
// in package golang.org/x/sys/unix.
//
//	k, err := lkl.Boot(ctx, nil)
//	…
//	defer k.Close()
//	name, err := k.AttachDisk(lkl.Disk{File: f, ReadOnly: true})
//	…
//	err = k.Mount("/dev/"+name, "/mnt", "ext4", unix.MS_RDONLY, "")
//	data, err := k.ReadFile("/mnt/etc/os-release", 1<<20)
//
// # The process
//
// The kernel is the storage half of Linux (file systems, partitions, md,
// device-mapper) compiled as one static executable, which is part of the Go
// program. [Boot] runs it in a process that has shared memory, a log, a wake-up
// and the descriptors of its disks, and may make a dozen system calls of the
// host. Booting takes some milliseconds. A kernel that panics, or an image
// that takes it over, costs that process: the Go program gets an error, a
// [*PanicError] with the kernel's last words or an [*ExitError], from every
// call in flight.
//
// # Descriptors, paths and credentials
//
// Descriptors are the kernel's, not the host's: close them by
// [View.CloseFd]. Paths are those of the kernel's own name space, which begins
// with an empty root. Calls are made by root with all capabilities. A [View]
// moves "/" to a directory, such as where a file system is mounted.
//
// # Memory
//
// Data crosses in shared memory. A []byte of the Go heap is copied; memory of
// a [Buffer] is not. Small files and whole batches are best served by a
// [Chain], directories by [View.ReadDir]: each is one round trip, of which a
// busy kernel makes one in a few microseconds.
//
// Kernels share the pages of their image. A program that boots several keeps a copy of it for
// that, 17 MB, unless it was linked so that the image lies at a page boundary of its file.
//
// # Deadlines
//
// A single call cannot be given up, but the whole kernel can: it is killed
// when the context of Boot ends, and its calls return. An image that is not
// trusted deserves a kernel of its own and a context with a deadline.
package lkl
