// Package customize changes an operating system in an image: its host name, passwords, SSH
// keys, files, packages, and what it runs when it boots next. It does what
// virt-customize(1) does, with its options and their order.
//
//	root, err := img.MountOS()
//	…
//	system, err := (&inspect.Inspector{OpenHive: registry.Open}).Tree(root)
//	…
//	var p customize.Plan
//	err = p.Add("hostname", "web1.example.com")
//	err = p.Add("ssh-inject", "root:file:/home/me/.ssh/id_ed25519.pub")
//	err = p.Run(ctx, &customize.Guest{FS: root, System: system})
//
// # The order of things
//
// A [Plan] reads all that it needs of the host when an option is added, so that a mistake
// is found before anything is changed, and does it in the order in which it was added.
// Before that it sets a random seed and an empty machine ID, after that it sets all
// passwords, relabels for SELinux, and removes the log: virt-customize's order.
//
// # What runs programs
//
// Most of it changes files only, and nothing of the guest is run: neither its programs nor
// its libraries, whoever made it. To install packages, to run commands and to relabel takes
// programs of the guest, which the Guest's [Runner] runs: see [Programs]. Without one they are
// [ErrNoRunner], but for SELinux, whose relabelling is then left to the guest's next boot.
//
// # How files are written
//
// A file that exists is never opened for writing. A new one with its owner, mode, extended
// attributes and SELinux label is made beside it, written, and renamed over it, so that
// the old content or the new one is there, whatever happens in the middle. Symbolic links
// are followed inside the tree, as a chroot(2) does, and stay. Of a file with several names
// the others keep the old content. What is not a regular file is not written to. A run that is
// killed may leave the new file, whose name begins with .unboot-.
//
// # Compared with virt-customize
//
//   - The host name can be set in every Linux, FreeBSD, NetBSD and OpenBSD; the time zone in
//     the BSDs too; scripts for the first boot also where OpenRC is the init.
//   - A user without a line in the table of passwords is an error rather than nothing, and
//     so is a key for the account of nobody. A key that is there already is not added again.
//   - The default hash of passwords is yescrypt where the distribution's own is, SHA-512
//     elsewhere, and MD5 only where the distribution has nothing else.
//   - Passwords are in no command line, file of the host, message or log; a random password
//     goes to [Guest.Reveal] and nowhere else.
//   - Perl expressions of the option edit are run by the host's perl(1), which is confined:
//     it sees one text and can reach neither the network nor files of users.
//   - Scripts for the first boot get numbers after those that are there, so that two runs
//     add up. The shell and unit files that run them are not virt-customize's.
//   - The drivers of --inject-virtio-win are not installed: see [Options].
package customize
