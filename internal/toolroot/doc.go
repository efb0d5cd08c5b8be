// Package toolroot makes the root that tools of the host have when they run on the library
// kernel: lvm(8), mkfs.ext4(8), mdadm(8) and so on work on the devices of an image there, and
// need their own libraries and data from the host.
//
// They see /usr of the host, and what belongs to it, with package hostdir, only for reading.
// Of /etc they see a few files that programs need to start, and the links by which programs are
// chosen (update-alternatives(1)), and of what may be secret, such as keys and passwords, nothing.
// Nor do they see the host's settings of LVM or MD, which are about the host's own disks. All else
// that is written to is in the kernel's memory and goes with the tool.
package toolroot
