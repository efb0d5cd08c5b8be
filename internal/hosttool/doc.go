// Package hosttool runs tools of the host, such as mkfs.xfs, e2fsck and ntfsresize, on what
// is in an image.
//
// To make, check, repair and resize file systems is the work of their own tools. A tool
// gets a sparse file of the size of the device that has what is on the device as the
// library's kernel sees it, and what the tool has changed is written back ([OnDevices]).
// That takes no privilege, no module and no loop device of the host.
//
// # Confinement
//
// The content of a device may be hostile, and the tools are not made for that. They run in a
// directory of their own, a [Workshop]. If this program is root, they run as nobody. Where
// the host allows it, they have no network, can write to nothing but their workshop, and
// can read nothing but what programs are made of: see prctl(2), namespaces(7) and
// landlock(7). They see nothing of this program's environment, and get no more memory than
// half of the host's. The size of their files is not limited, as xfs_repair does nothing if
// it cannot lift that limit.
package hosttool
