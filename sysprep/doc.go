// Package sysprep removes from an operating system what copies of it must not share, such
// as host keys, logs, leases and the machine ID, as virt-sysprep(1) does, with the names of
// its operations.
//
//	p := &sysprep.Plan{Enabled: sysprep.Defaults()}
//	err := p.Customize.Add("hostname", "template")
//	err = p.Run(ctx, &customize.Guest{FS: root, System: system})
//	root.Unmount()
//	err = p.Devices(ctx, img, warn)
//
// Nothing of the guest is run, but for an update of its certificates after some were
// removed, and what the operation customize is told to run: see package customize.
//
// # Compared with virt-sysprep
//
//   - An empty machine ID stays empty, where virt-sysprep's operation customize sets a new
//     one, which all copies would then have.
//   - What a symbolic link of the guest leads out of its place is left alone, with a
//     warning: a guest whose /tmp leads to / keeps its files.
//   - user-account also removes the users' lines in the tables of groups' passwords and of
//     subordinate IDs, and their names from groups.
//   - package-manager-cache knows apk, pacman and xbps too.
//   - A script of the host (--script) is not run, as that takes a mount on the host:
//     guestmount(1) makes one.
//   - lvm-uuids does not change the identity of LVM's devices, and says so if there are any.
//   - lvm-system-devices and zsh-history are operations of newer versions.
package sysprep
