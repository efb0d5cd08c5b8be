// Package vhd reads and writes disk images in Microsoft's VHD format, which QEMU calls vpc, as
// a [disk.Device].
//
// It follows the Virtual Hard Disk Image Format Specification, version 1.0, of 2006, for fixed,
// dynamic and differencing images, and what programs do that know better: how large a disk
// is ([Footer.Size]), and footers of 511 bytes. As in QEMU, the bitmaps in a dynamic image
// are not looked at: what was never written is zeros there anyway.
//
// # Parents
//
// A differencing image names its parent several times: relative to itself, absolute, for Windows
// and for other systems. Those that mean something here are tried in that order: paths
// with a drive letter, or of a network share, do not. The UUID of the parent must be the
// one that the image has for it. The time of its last change, which is there as well, is not
// compared: copying a file changes it.
//
// # Writing
//
// The format has no log. A new block is put where the footer is, after a new footer was written
// behind it; then come its bitmap and its data. Changes of the block allocation table, and of
// bitmaps of blocks that were there, wait in memory. [Image.Flush] makes the file stable, writes
// the changes, and makes the file stable again. So whenever a program is killed or the power
// fails, the table refers to whole blocks, what was flushed is there, and a sector that was not
// has its old content or the new one. Blocks may be left behind to which nothing refers.
//
// Blocks that were discarded are used again after the next flush, as long as the image is open;
// their bytes are given back to the host's file system.
//
// # Hostile images
//
// An image names other files, which are opened by a rule of package source. Tables are read
// a sector at a time, as they are needed, and kept in a cache of a fixed size. What cannot be is
// an error that wraps [ErrDamaged], at the time it is read.
package vhd
