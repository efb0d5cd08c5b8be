// Package testvol has volumes of all kinds that the real tools made: LVM, MD, LUKS and so on,
// together with what those tools say of them. README.md lists them.
//
// They were made in libguestfs's appliance, a virtual machine with a kernel that has every
// driver: a developer's own may have none of them, and need not. The scripts are in the
// folder make. What is here are the disks, compressed, and a record for each fixture:
//
//	sda.zst, sdb.zst…   the disks, in the order in which they are to be given
//	content.txt         the file systems, and what is in them: see [Contents]
//	table.txt           `dmsetup table --showkeys`: see [Table]
//	uuids.txt           `dmsetup info -c -o name,uuid,attr`
//	blkid.txt           `blkid -p` of every block device
//	lsblk.json          the tree
//
// and what only some kinds have, such as lvs.json, examine.txt or luksDump.txt. Everywhere in
// them the disks are sda, sdb and so on, as they are in a machine that has those disks
// alone; in tables a name in angle brackets stands for a device's number: <sda2>, <vg0-root>.
//
// [Verify] is the way back: the real tools look at disks that a test has written.
package testvol
