// Package qcow1 reads images of QEMU's first own format, qcow of version 1, as a
// [disk.Device] that cannot be written to. It follows QEMU's block/qcow.c.
//
// A table of two levels says where each cluster is: in the file as it is, compressed by
// deflate, or, if it is not there, in the backing file. Encrypted images are refused.
//
// # Hostile images
//
// The backing file is opened by a rule of package source. Tables are read as they are
// needed, and kept, with decompressed clusters, in caches of a fixed size. What cannot be is an
// error that wraps [ErrDamaged], at the time it is read.
package qcow1
