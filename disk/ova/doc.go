// Package ova reads the disks of virtual appliances, as a [disk.Device] that cannot be written
// to: packages in one file (.ova), without unpacking them, and their descriptors (.ovf) beside
// the disks.
//
// It follows the Open Virtualization Format Specification, DSP0243, for what names the disks,
// and POSIX.1 (ustar) for packages. The disks are images of VMware, as all programs export
// them; others are refused, and so are disks that are compressed once more or in chunks.
//
// An appliance of several disks is refused, with their names, unless one is named.
//
// # Hostile images
//
// The disks that a descriptor beside them names are opened by a rule of package source. A
// disk in a package names no other files. A package has up to [MaxMembers] members, and a
// descriptor up to 4 MiB. Damage is an error that wraps [ErrDamaged].
package ova
