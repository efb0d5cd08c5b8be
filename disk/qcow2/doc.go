// Package qcow2 reads and writes disk images in QEMU's qcow2 format, versions 2 and 3, as a
// [disk.Device].
//
// It follows the specification in QEMU's docs/interop/qcow2.txt: cluster sizes from
// 512 bytes to 2 MiB, reference counts of 1 to 64 bits, zero clusters, clusters compressed
// with deflate or zstd, extended L2 entries (subclusters), external data files, and chains of
// backing files. Internal snapshots are read, created, applied and deleted; clusters that
// they have are copied before they are changed.
//
// Images that are encrypted by LUKS are read and written, and those by the old AES are read,
// once [Image.Unlock] has their cipher. LUKS counts sectors by their places in the file, the old
// method by those on the disk. Tables, and clusters that are compressed, are not encrypted.
//
// # Order of writing
//
// Tables are changed in a cache of a bounded size, and written when [Image.Flush] or
// [Image.Close] is called or there are many of them. Whatever moment the host or this
// program ends at, what is on the disk is an image without errors, in which clusters may be
// leaked, that is, have a reference count but no use. To that end, they are written in
// stages, between which everything is flushed to the disk of the host:
//
//  1. Data goes to its cluster at once, before anything in the cache refers to it. So does
//     all that is around the data in a cluster which is new and has something to keep
//     (copy on write). A new L2 table is written when it is made, as zeros or as a copy.
//  2. Refcount blocks, and L2 tables that no L1 entry on the disk refers to.
//  3. The refcount table, if it has new blocks.
//  4. L1 and L2 tables.
//
// So a table refers only to clusters that are counted and written. A cluster that no table in
// the cache refers to any more is free for something else, and is given back to the host,
// not before stage 4 is stable, nor while a reader may be about to read it. Its reference
// count goes down after that, in the next stage 2.
//
// The header is changed in place, one sector at a time, when everything it is going to refer
// to is stable: for a longer L1 table, a longer refcount table, and the size of the disk.
//
// [Image.Flush] returns when what was written before it was called is stable. If a flush of
// the host fails, nothing is known of what it had cached, and every later write and flush
// fails too. A table that could not be written, as the host is full, is written by the next
// flush.
//
// After a kill, all that was flushed is there. Of what was not, each cluster is as it was or
// as it was going to be; within clusters that were there before, each sector is. Leaked
// clusters are found and freed by [Check], or by qemu-img check -r leaks.
//
// # Snapshots
//
// A snapshot is an L1 table in the snapshot table. What else refers to a cluster decides
// whether it may be written to in place, which the entries of the current tables say in a bit
// (COPIED); in those of snapshots it means nothing. To create, apply or delete a snapshot is
// one write of the header's sector, which has the places of the current L1 table and of the
// snapshot table, and the size of the disk:
//
//  1. All that waits is written. The whole image is checked, as by [Check]: with an error
//     nothing is changed, and leaks are freed, so that all counts are what they should be. So
//     it is if a cluster would have more references than its count can say.
//  2. The disk gets a new L1 table, copies of those L2 tables in which the bit changes, and a
//     new snapshot table. The old tables are not touched: they are the new snapshot's, or go.
//  3. The reference counts go up of what will have more references. All that is made stable.
//  4. The header is written, and made stable.
//  5. The reference counts go down of what has lost references.
//
// A kill before the header is written leaves the image as it was, and one after it as it is to
// be; either way with counts that are too high, which are leaks, and nothing else that is
// wrong. Nobody reads or writes the disk meanwhile. It takes one look at all tables, and
// memory for them of two to six bytes a cluster.
//
// # Marks in the header
//
// An image that is marked dirty has its reference counts counted anew when it is opened for
// writing, whether they were lazy or not. This package does not let them be wrong and so does
// not set the mark for that. One that is marked corrupt is not opened for writing before it is
// repaired. It is marked corrupt when an entry or a reference count would have this package
// write over a table. Before the first change, autoclear features are cleared, which the
// change would make untrue: bitmaps are inconsistent from then on, as QEMU will say. An
// incompatible feature that is not known here is refused.
//
// # Hostile images
//
// An image's header names other files: its backing file, and the file with its data.
// [New] opens none of them by itself: it has [Options.Refer] do so, which is a rule of
// package source about what may be opened.
//
// Memory is bounded, whatever the image claims: tables are read a few KiB at a time,
// as they are needed, and kept, with decompressed clusters, in caches of a fixed size
// that the images of a chain share. For writing there are up to 4 MiB of tables that wait to
// be written, and up to 40 MiB of places where tables are, which nothing else is written to.
//
// # Damage
//
// An image that is marked dirty (its reference counts may be wrong) or corrupt is
// read, and [Header.Problems] says so. A table or a cluster that cannot be where an
// entry says is an error that wraps [ErrDamaged], at the time it is read. As in QEMU,
// the last cluster of a file may be shorter than a cluster: the rest of it is zeros.
package qcow2
