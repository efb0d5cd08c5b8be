// Package hostdir lets the programs of a kernel see a directory of the host: it serves the
// directory by the protocol 9P2000.L to the kernel's own client, and mounts it there.
//
// # The client is hostile
//
// The kernel, and what runs on it, may send anything. Whatever it sends, nothing outside of
// the directory is reached: files are looked up one name at a time from descriptors of
// directories, no name has a slash, no symbolic link is followed on the host, and a link's
// target is text that is handed on. ".." is answered from what was walked, and never asked of
// the host. Only regular files and directories are ever opened; devices, FIFOs and sockets
// have attributes and nothing else. File systems by which the host's kernel is looked at and
// set, such as /proc, are closed even if they are mounted in the directory.
//
// Nothing that is written gives anybody privileges on the host: no devices are made, no file
// becomes set-user-ID, and attributes that the host's kernel believes in, as file
// capabilities, are not set. What is in a directory that a guest could write to should still
// be taken for what it is: made by the guest, symbolic links that lead anywhere included.
//
// Messages, names, files in use and open files have bounds; to exceed them is an error of the
// call, and what is no message at all ends the session.
//
// # What it is like
//
// Names, contents, modes, times, hard links, holes and extended attributes of users are those
// of the host. Owners are the host's or translated ([Owners]). A file that is removed stays
// usable for who has it open. Locks are among the guest's programs only: the host's programs
// do not see them. When the host changes the directory meanwhile, a file that is no longer
// what it was is ESTALE.
package hostdir
