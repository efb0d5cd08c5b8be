// Package hv is the program that libguestfs starts where it would start qemu: the one
// that LIBGUESTFS_HV names.
//
// Before libguestfs launches it runs the program to find out what it can do; those runs
// are answered at once ([Probe]). The run that matters has the disks, a socket and the
// kernel's command line among qemu's options ([Parse]). The program connects to the
// socket, says that it is ready, and then is the daemon until the library closes the
// socket or sends SIGTERM. Then it leaves with 0, as qemu would; anything else the
// library reports as a crash.
//
// The library reads what the program prints, and that costs time: it says nothing,
// unless LIBGUESTFS_DEBUG is set or something fails. What fails, which the library keeps to
// itself, goes to "unboot run" ([Reports]), or else to the terminal.
//
// Corrupt metadata cannot keep a program waiting forever: the processor time of a call is limited
// where nothing is written, by UNBOOT_CPU_LIMIT or a default.
//
// For virt-rescue(1), a shell of the host runs on the image's kernel besides, on the console
// that standard input and output are. When it ends, all is written, and the program leaves.
//
// For what unboot cannot do, there is qemu, if UNBOOT_HV_FALLBACK is set ([Main]).
package hv
