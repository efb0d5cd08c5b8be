// Package vhdx reads disk images in Microsoft's VHDX format as a [disk.Device].
//
// It follows [MS-VHDX], the Virtual Hard Disk v2 (VHDX) File Format, version 8.0: fixed,
// dynamic and differencing images with logical sectors of 512 or 4096 bytes. Every checksum is
// verified. A region or a metadata item that is not known and said to be required is refused
// with [ErrFeature].
//
// # The log
//
// An image that was not closed has changes of its tables in its log, without which it must not
// be read. They are replayed in memory, and reading the image does not change it. A log that
// has entries but no valid sequence of them is damage. (QEMU 7.2 sets the log's GUID before it
// writes the first entry. A log without any entry of that GUID is an empty one.)
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
