// Package vma reads the disks of backups of Proxmox VE, archives in the VMA format as vzdump(1)
// and vma(1) make them, as a [disk.Device] that cannot be written to.
//
// It follows vma_spec.txt of Proxmox's QEMU, version 1: a header with the names and sizes of the
// disks, then extents of up to 59 clusters of 64 KiB, in the order in which they were read, of
// which only the blocks of 4 KiB are stored that are not zeros. The state of a machine that was
// running ("vmstate") is not a disk.
//
// A backup of several disks is refused, with their names, unless one is named; those for the
// firmware (EFI variables, TPM) do not count. "scsi0" means "drive-scsi0".
//
// # Hostile images
//
// An image names no other files. The headers of all extents are read when it is opened, and their
// checksums are verified: those of the data do not exist. For each cluster with data 16 bytes of
// memory are taken, which is at most 1/256 of the size of the file, and for each cluster of the disk
// one bit, of which there are no more than the file can have headers for. A backup that was cut
// off, or lacks clusters, is an error that wraps [ErrDamaged].
package vma
