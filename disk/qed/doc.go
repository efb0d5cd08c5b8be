// Package qed reads images of QEMU's enhanced disk format, as a [disk.Device] that cannot be
// written to. It follows QEMU's docs/interop/qed_spec.txt.
//
// An image that was not closed, which QEMU would check and repair, is read as it is: its
// tables never refer to a cluster that was not written.
//
// # Hostile images
//
// The backing file is opened by a rule of package source. Tables are read as they are
// needed, and kept in a cache of a fixed size. What cannot be is an error that wraps
// [ErrDamaged], at the time it is read.
package qed
