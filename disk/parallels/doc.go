// Package parallels reads disk images of Parallels, as a [disk.Device] that cannot be written
// to: expanding images (.hds, or .hdd of old versions), and bundles (.hdd), which are directories
// with a DiskDescriptor.xml, that is opened.
//
// It follows QEMU's docs/interop/parallels.txt. A descriptor splits the disk into storages, each
// of which has an image a snapshot: an expanding or a plain one. What an image does not have
// is in that of the snapshot before. The disk that is read is the current one, and not a
// snapshot.
//
// # Hostile images
//
// The images that a descriptor names are opened by a rule of package source. A descriptor
// has up to 1 MiB, [MaxStorages] storages and [MaxSnapshots] snapshots. Tables are read as
// they are needed, and kept in caches of a fixed size. What cannot be is an error that wraps
// [ErrDamaged], of tables at the time they are read.
package parallels
