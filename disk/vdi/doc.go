// Package vdi reads and writes VirtualBox's disk images, version 1.1, as a [disk.Device].
//
// It follows what VirtualBox and QEMU (block/vdi.c) have: dynamic and static images, and
// differencing ones, of which QEMU has none. A block of the disk, of 1 MiB, is in a place
// of the file that the block map says, or it is zeros, or it is in the parent.
//
// # Parents
//
// A differencing image has the UUID of its parent, and of the parent's content, which are
// verified, but not its name: that is in the configuration of the virtual machine. The
// name that VirtualBox gives to the files of snapshots is tried, "{UUID}.vdi" in the
// directory of the image; what has another name is found by a link of this name.
//
// # Writing
//
// The order of what is written, and what a kill or the loss of power leaves:
//
//  1. Before the first write, the image gets a new UUID of its content.
//  2. A new block takes the first free place, and is written there as a whole; to the
//     parent's content if it is not written to as a whole.
//  3. The block map is changed in memory. It is written by Flush, by Close, or when
//     [maxPending] entries wait: the file is flushed; the header gets the number of
//     places that are taken; the entries are written in the order in which places were
//     taken; and the file is flushed again.
//
// So the block map never refers to a place without the data that was written there. After
// a kill, what was flushed is there, and the places that are taken are the first ones of
// the file; the header may say that there are more, which is repaired when the image is opened
// for writing. After a loss of power there may be places without a
// block between others as well. They are leaks, which [Check] repairs.
//
// Blocks are never moved, nor places given back: a range that is discarded becomes a hole
// of the file.
//
// # Hostile images
//
// Memory is bounded: the block map is read as it is needed. For writing, a bit a block is
// kept. Damage is an error that wraps [ErrDamaged] and names the image, when what it
// concerns is read; two blocks in one place are found when the image is opened for writing.
package vdi
