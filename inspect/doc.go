// Package inspect finds out which operating system is in a tree of files, or on the devices
// of a disk image: its name and version, architecture and host name, what is mounted
// where, and which applications are installed.
//
// # A tree
//
// [Tree] looks at one tree, which can be any [io/fs.FS]: a mounted image, a container's
// root, a directory.
//
//	s, err := inspect.Tree(fsys)
//	if errors.Is(err, inspect.ErrNoSystem) {
//		return nil // data only
//	}
//	fmt.Println(s.Product, s.Arch, s.Hostname) // Debian GNU/Linux 12 (bookworm) x86_64 web1
//	apps, err := inspect.Applications(fsys, s)
//
// Symbolic links are what the tree makes of them. Links in a system lead to absolute
// paths, /etc/os-release is one in some, so Open and Stat must resolve them inside the
// tree, as a mounted image does. A directory of the host as [os.DirFS] does not: it
// would follow them out to the host.
//
// # An image
//
// [Image] looks at all devices of a machine, finds the roots of its systems, and follows
// their fstab. What the devices are and how to mount them is said by a [Source]; the
// package itself knows nothing of disks and kernels. A root is named as guestfs(3) names
// it: by its device, or by a subvolume of a btrfs as [Mountable] spells it.
//
//	roots, err := inspect.Image(source)
//	for _, r := range roots {
//		fmt.Println(r.Device, r.Product)
//		for _, m := range r.Mounts {
//			fmt.Println("\t", m.Dir, m.Device)
//		}
//	}
//
// [Find] finds the same roots with the same mounts, and reads nothing else: it is for
// callers that want to mount a system, and be quick about it.
//
// Names in an fstab were true on another machine. UUIDs, labels and the names of logical
// volumes are taken as facts. The name of a disk (sdb2, hdc1, vda3, ada0p2, wd0a) is
// taken as a position, and, if there are not so many disks, as a rank among the disks
// that the fstab names. An entry whose device is not there is a problem of the root; it
// is mounted nonetheless if it is a path, since guestfs(3) says that mount points may
// not exist.
//
// The Linux kernel counts the partitions of a BSD disk label in the order of their
// letters, from 5 on, but leaves out those not in use. Where a label has such gaps, the
// device of a name as ada0s1d is off by as many.
//
// The parts of a system that is spread over several file systems are merged where they
// tell what it is: a root and its /usr, and the two of CoreOS Container Linux and
// Flatcar, which have no fstab. A system that OSTree deployed (Fedora CoreOS) is in a
// directory, its Deployment. Of btrfs, a snapshot of a root is no root, and neither is
// a container. Of a root and its snapshots the one counts that boots: the default
// subvolume, or the one that its own fstab mounts on /, or the oldest.
//
// # What is recognized
//
// Linux by os-release(5) in /etc and /usr/lib, /etc/lsb-release, and the files that
// distributions had before, in this order; FreeBSD, NetBSD, OpenBSD, GNU/Hurd, MINIX,
// macOS, FreeDOS and MS-DOS by files of their own; Windows NT and later by the directory of the
// system, which is found by boot.ini or by its usual names. The media to install or to
// try a system are recognized too, and have the Format [Installer]: since version 1.38
// libguestfs takes no notice of them, so a caller that wants the same drops them.
//
// # Windows
//
// Nearly all that is known of a Windows is in its registry. Its reader is given to the
// [Inspector] as a function:
//
//	in := &inspect.Inspector{OpenHive: registry.Open} // inspect/registry
//	s, err := in.Tree(fsys)
//
// Files are looked up without regard to case, as Linux shows NTFS in case-sensitive
// form. The paths in a [WindowsSystem] have the case of the tree.
//
// Windows 11 calls itself Windows 10 in the registry. Product has it right, by the build.
//
// # Speed
//
// Most of what inspection does is to look for files that are not there. In a mounted image
// each look is a round trip to a kernel: a tree that is a [QuickFS] needs a tenth of
// them, as it lists / and /etc first, and reads a file in one go.
//
// # Compared with libguestfs
//
// The words and their meanings are those of guestfs(3), guestfs_inspect_os and
// guestfs_inspect_get_*. Where guestfs(3) has "unknown", a field is empty. What
// libguestfs 1.48 says of the trees of this package's tests is kept with them, and each
// difference has its reason in guestfs_test.go. On purpose:
//
//   - Product is the name for people, where libguestfs has the contents of a file older
//     than os-release if there is one ("12.5" of Debian). That one is in Release.
//   - A distribution that guestfs(3) does not know has the name of its nearest relative
//     that it does know, or its own ID, where libguestfs says "unknown".
//   - A tree without programs and tables, as that of a container "from scratch", is a
//     system if it has an os-release.
//   - The description of a package of Debian has empty lines where the database has lone
//     dots.
//
// # Hostile images
//
// All that is read is bounded: a file of configuration to 1 MiB, a string to 4 KiB, a
// directory to 65,536 entries, an image to 4,096 devices and 512 subvolumes of a file
// system. Nothing but regular files and directories is opened. Strings have no control
// characters, so they can be shown on a terminal, but they are the image's words, and
// may claim anything.
package inspect
