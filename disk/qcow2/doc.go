// Package qcow2 reads disk images in QEMU's qcow2 format, versions 2 and 3, as a
// [disk.Device] that cannot be written to.
//
// It follows the specification in QEMU's docs/interop/qcow2.txt: cluster sizes from
// 512 bytes to 2 MiB, zero clusters, clusters compressed with deflate or zstd,
// extended L2 entries (subclusters), external data files, and chains of backing
// files. Internal snapshots are ignored: what is read is the current state.
// Encrypted images are refused.
//
// # Hostile images
//
// An image's header names other files: its backing file, and the file with its data.
// [New] opens none of them by itself: it has [Options.Refer] do so, which is a rule of
// package source about what may be opened.
//
// Memory is bounded, whatever the image claims: tables are read a few KiB at a time,
// as they are needed, and kept, with decompressed clusters, in caches of a fixed size
// that the images of a chain share.
//
// # Damage
//
// An image that is marked dirty (its reference counts may be wrong) or corrupt is
// read, and [Header.Problems] says so. A table or a cluster that cannot be where an
// entry says is an error that wraps [ErrDamaged], at the time it is read. As in QEMU,
// the last cluster of a file may be shorter than a cluster: the rest of it is zeros.
package qcow2
