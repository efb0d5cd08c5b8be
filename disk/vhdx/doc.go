// Package vhdx reads and writes disk images in Microsoft's VHDX format as a [disk.Device].
//
// It follows [MS-VHDX], the Virtual Hard Disk v2 (VHDX) File Format, version 8.0: fixed,
// dynamic and differencing images with logical sectors of 512 or 4096 bytes. Every checksum is
// verified. A region or a metadata item that is not known and said to be required is refused
// with [ErrFeature].
//
// # The log
//
// An image that was not closed has changes of its tables in its log, without which it must not
// be read. They are replayed in memory, and reading the image does not change it; one that is
// opened for writing has them written to their places. A log that
// has entries but no valid sequence of them is damage. (QEMU 7.2 sets the log's GUID before it
// writes the first entry. A log without any entry of that GUID is an empty one.)
//
// # Writing
//
// The order of what is written, and what a kill or the loss of power leaves:
//
//  1. Before the first change, it is looked whether the tables put two things in one place:
//     such an image is not written to. Then both headers get a new FileWriteGuid and
//     DataWriteGuid, one after the other, with a flush after each.
//  2. A block takes a place that nothing refers to, or one at the end of the file, and its data
//     is written there. In a differencing image, a block that is not written to as a whole is
//     partially present: its bitmap says which sectors are here.
//  3. The block allocation table and bitmaps are changed in memory. They are written by
//     Flush, by Close, or when [maxChanged] pages wait: the file is flushed; the pages are
//     written to the log, as one entry, and the file is flushed; the headers get the GUID of the
//     log, if they do not have it; the pages are written to their places, and the file is flushed.
//  4. Close has both headers say that the log is empty.
//
// So the tables refer only to what is there, and change at once: an entry that is whole is
// replayed, and of one that is not, its checksum is wrong, and the one before it, which is still
// there, changes nothing. What was flushed is there, and a sector that was not has its old
// content or the new one. Blocks may be left behind to which nothing refers: they are used
// when the image is written to next.
//
// Blocks that are zeroed or discarded as a whole are taken out of the file, unless the image is
// fixed. Their places are used again after the next flush.
//
// # Parents
//
// A differencing image names its parent by up to three paths. The relative one is looked for;
// those with a drive letter or of a volume of Windows mean nothing here. The DataWriteGuid of
// the parent must be the one that the image has for it: it changes whenever the parent is
// written to.
//
// # Hostile images
//
// An image names other files, which are opened by a rule of package source. Tables are read
// as they are needed, and kept in a cache of a fixed size. Of the log, only where its changes
// are is kept. What cannot be is an error that wraps [ErrDamaged], at the time it is read.
package vhdx
