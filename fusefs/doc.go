// Package fusefs shows a tree of files of an image, an [unboot.FS], as a directory of the
// host: by FUSE, so without a driver of the host that would have to trust the image, and
// without root.
//
//	fsys, err := img.MountAuto()
//	if err != nil { … }
//	m, err := fusefs.Mount(ctx, fsys, "/mnt", nil)
//	if err != nil { … }
//	err = m.Wait() // until somebody unmounts it
//	err = img.Close()
//
// # Identity
//
// A file is the host's inode as long as the host knows it, whatever happens to its names:
// hard links are one, a directory that is renamed while it is open stays what it was, and
// a file that is removed while it is open can be read and written. Its number is that of
// the image. Where other file systems are mounted in the tree, or subvolumes are, their
// numbers are made different from those of the first in the upper bits, since the host
// shows one device for all.
//
// # Caching
//
// Nobody but the mount changes the tree, so the host may keep what it has seen: names,
// metadata, data and targets of links are asked for once. Nothing else may write to the
// tree as long as it is mounted. Where the image's file system takes names in several
// spellings for one, as those of Windows do, names are not kept if it is writable.
//
// Writing goes through to the image's kernel at once, so that its errors are those of
// write(2); fsync(2) reaches the image's disk. The host sends nothing at sync(2) and
// syncfs(2): what these make stable there is what fsync or the end of the mount makes
// stable in the image.
//
// # Deadlocks
//
// A program should not use files of its own mount by memory maps: a thread that waits for memory
// keeps the Go runtime from running the goroutines that would bring it. System calls are safe.
//
// # Security
//
// What FUSE exposes to the host is described in docs/security.md. Device nodes and set-user-ID
// bits of an image mean nothing in the mount unless the options say otherwise, and without
// [Options.AllowOther] nobody but the caller, root included, can look into it.
package fusefs
