// Package guestfs has the API of libguestfs's own Go binding, in Go alone: a program
// moves to it by changing one import path,
//
//   - import "libguestfs.org/guestfs"
//   - import "github.com/unboot/unboot/guestfs"
//
// and needs neither cgo nor libguestfs nor an appliance any more. What answers its calls
// is unboot, in the same program; a launch takes milliseconds.
//
//	g, err := guestfs.Create()
//	if err != nil { … }
//	defer g.Close()
//	if err := g.Add_drive_ro("disk.img"); err != nil { … }
//	if err := g.Launch(); err != nil { … }
//	if err := g.Mount_ro("/dev/sda1", "/"); err != nil { … }
//	text, err := g.Cat("/etc/os-release")
//
// Each function is described in guestfs(3), at https://libguestfs.org/guestfs.3.html.
// New programs that want nothing but images may like package
// [github.com/unboot/unboot] better: it has io/fs, contexts, and Go's names.
//
// # Names and types
//
// Function guestfs_is_file is method [Guestfs.Is_file]; its optional arguments are an
// [OptargsIs_file], of which a field counts if the one before it, Followsymlinks_is_set,
// is true, or nil. Lists of structures are *[]T, hashtables map[string]string. Every
// exported name of the official binding of libguestfs 1.48 is here with the same type,
// which a test compares, but for the functions whose names begin with Internal: those are
// for libguestfs's own tests. Functions of later versions are here, too.
//
// # What is available
//
// A function that unboot cannot do yet returns an error with the errno ENOTSUP; docs/guestfs.md
// says which can be done. [Guestfs.Feature_available] reports on the optional groups.
// [Guestfs.Mount_local] and the functions of libvirt are among what is missing.
//
// # Drives
//
// Drives are added before [Guestfs.Launch] and are /dev/sda, /dev/sdb and so on. Without
// Format an image's format is found out; whoever has written to a raw disk can make it
// look like another format, so say "raw" where that is known. What is written to a drive
// that was added read-only is forgotten at the end, and the image does not change. One
// that is not read-only is locked against other programs that write to it.
//
// [Guestfs.Close] and [Guestfs.Shutdown] return when all that was written is in the images,
// or say what is not. Look at their errors.
//
// # Files of the host
//
// Functions that transfer a file take its host path, which may be /dev/stdin, /dev/stdout,
// or /dev/fd/N for an open one. A file that is downloaded is made when the first of its
// contents come, so a call that fails leaves it alone.
//
// [Guestfs.Copy_out] writes nothing outside of the directory that it is given, whatever the
// guest's files are called and wherever links point. Device nodes and FIFOs are not made.
//
// # Errors
//
// Methods return an error that is a *[GuestfsError], or nil. Its Errno is what errors.Is
// looks at:
//
//	if errors.Is(err, fs.ErrNotExist) { … }
//
// In contrast to the official binding an error is not printed on stderr as well, its text
// does not have the function's name twice ("mount: mount: …"), and what
// [GuestfsError.Error] says ends with no "errno 0".
//
// # Events
//
// The official binding has none. [Guestfs.Set_event_callback] follows that of C:
// messages of the engine, progress of long calls, the trace. With [Guestfs.Set_trace] and
// [Guestfs.Set_verbose] messages without a listener go to stderr.
//
// # Backends
//
// [Guestfs.Set_backend], before launch, says what answers:
//
//	unboot      unboot, in this program; the default
//	direct      a virtual machine: the program of [Guestfs.Set_hv], which is qemu if nothing
//	            else is set, with libguestfs's appliance, found along [Guestfs.Set_path]
//	unix:PATH   a daemon that listens at a socket
//
// So one line has a program run on the real appliance, to compare or for what unboot
// cannot do:
//
//	g.Set_backend("direct")
//
// The environment variable UNBOOT_GUESTFS_BACKEND does the same from outside.
// LIBGUESTFS_BACKEND does not: it is widely set to avoid libvirt, which is not a question
// here. The other variables of guestfs(3) are heeded, [Guestfs.Parse_environment].
//
// The appliance of a distribution is made by supermin(1) where it is installed as such; a
// fixed one, or one of old (vmlinuz and initramfs), is used as it is.
//
// # Concurrency
//
// Methods may be called from several goroutines; calls of one handle that reach the
// engine wait for each other. Several handles are independent. [Guestfs.User_cancel] ends
// the transfers that run.
package guestfs

//go:generate go run ./internal/gen -binding .
