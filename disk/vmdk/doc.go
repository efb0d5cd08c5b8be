// Package vmdk reads and writes VMware's virtual disks, as a [disk.Device].
//
// It follows VMware's "Virtual Disk Format 5.0", and for what that leaves out QEMU's
// block/vmdk.c. An image is a descriptor, a text that says what it consists of, and extents,
// each of them a part of the disk. The descriptor is embedded in the only extent, or in a
// file of its own. Extents are
//
//   - flat: a part of a file (monolithicFlat, twoGbMaxExtentFlat, vmfs);
//   - sparse, of grains of 64 KiB that are found by tables (monolithicSparse,
//     twoGbMaxExtentSparse);
//   - sparse and compressed, made to be sent (streamOptimized), for reading;
//   - sparse as ESX has them (vmfsSparse, COWD; and seSparse), for reading;
//   - zeros.
//
// An image with a parent has the changes to that. It names the parent, of which it has the
// content's identifier (CID); one with another CID is refused, as it has been written to
// since, with an error that wraps [ErrParent].
//
// # Writing
//
// The order of what is written, and what a kill or the loss of power leaves:
//
//  1. Before the first write, the descriptor gets a new CID, and the headers of sparse
//     extents say that they are being written to (uncleanShutdown), until Close.
//  2. A new grain takes its room at the end of the file, and is written there as a whole:
//     with what the parent has, where it is not written to.
//  3. The grain tables, and the directory if a table is new, are changed in memory: both
//     the redundant and the other ones. They are written by Flush, by Close, or when 8 MiB
//     of them wait: the files are flushed; the tables are written, in the order of their
//     offsets; and the files are flushed again.
//
// So no table ever refers to a grain that is not there. What was flushed is there after
// a kill. Grains to which nothing refers are left at the end of the file, and the two tables
// may differ, of which the one is read that the directory, not the redundant one, refers to.
// [Check] finds both.
//
// Grains are never moved or given back: a range that is discarded becomes a hole of the
// file. Zeros are written as such where the extent has entries for that (zeroed grains).
//
// # Hostile images
//
// The descriptor names other files, the extents and the parent. [New] opens none of them by
// itself: it has [Options.Refer] do so, which is a rule of package source about what may be
// opened. An extent that is to be written to says so in [disk.Reference.Writable].
//
// Memory is bounded, whatever the image claims: a descriptor has up to 1 MiB and 2048
// extents; tables are read as they are needed, and kept, with decompressed grains, in caches
// of a fixed size. Damage is an error that wraps [ErrDamaged] and names the image, when what
// it concerns is read.
package vmdk
