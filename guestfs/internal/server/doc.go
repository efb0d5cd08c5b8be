// Package server is the daemon of libguestfs, on unboot's engine: it answers the
// procedures that programs call through libguestfs.
//
// # How a procedure is answered
//
// A procedure NAME is answered by the method of [Server] of that name, in the form that
// api.GoName gives it, whose parameters and results follow from the description:
//
//	IsFile(ctx context.Context, a *rpc.IsFileArgs) (bool, error)
//	Lvs(ctx context.Context) ([]string, error)                         without arguments
//	Upload(ctx context.Context, a *rpc.UploadArgs, in io.Reader) error a file comes in
//	Download(ctx context.Context, a *rpc.DownloadArgs, out io.Writer) error
//
// After the method is added,
//
//	go generate ./guestfs/internal/server
//
// puts it into the table in dispatch_gen.go and brings docs/guestfs.md up to date; a test
// checks both. A method with other parameters or results does not compile there, and one
// whose name is that of no procedure is an error of go generate. What has no method
// answers ENOTSUP.
//
// Methods of a family live in a file of the family's name. Helpers of Server are not
// exported.
//
// # What a method can rely on
//
// Calls come one at a time. ctx ends when the library cancels a transfer, or is gone.
//
// Arguments were looked at: a path is absolute and something is mounted; a device exists
// and has its name in our kernel, /dev/sda for /dev/vda or /dev/hda; the device of a
// mountable likewise. What else the procedure wants of them it has to check. Paths are
// the guest's: /etc/fstab is etc/fstab in an unboot.FS (unboot.CleanPath).
//
// An optional argument is an rpc.Opt: a.Followsymlinks.Or(false).
//
// A file that comes in need not be read to its end. A file that goes out may be written
// in pieces of any size; once some were sent, an error's text is lost, so what can fail
// should be tried before.
//
// # Files and devices
//
// s.view() has the kernel's system calls in which "/" is the guest's, so that paths are
// used as they come, and no symbolic link leads out. s.openPath opens a file or a device,
// whichever an argument is; what it returns streams its content with writeTo. s.tree() is
// the unboot.FS, for walks and whole files: its paths come from s.fsName or s.directory.
// What is made gets the permissions that s.umask leaves, as the kernel has none.
//
// Guests are hostile: lists and strings have to fit a message (lineList), and nothing else
// of a file's size is taken into memory.
//
// # Errors
//
// An error goes to the program with its text and its errno (protocol.Errno); the library
// puts the name of the function before it. The daemon's usual text is what perror(3)
// makes, "open: /etc/shadow: Permission denied", which the function perror makes of any
// error; errorf makes a text without an errno. A *fs.PathError, returned as it is,
// becomes "OP: /PATH: text".
//
// # Tools of the host
//
// What the kernel can do is done by its system calls and ioctls, and what takes a
// superblock in Go. Making, checking, repairing and resizing is left to the host's mkfs,
// e2fsck and so on: s.useTool runs one on a copy of the device, a sparse file, and writes
// back what it has changed (tool.go; internal/hosttool). A tool that the host does not have
// is ENOTSUP. Augeas is a tool too, which is asked as long as its handle is open and has
// copies of files (internal/augeas).
//
// # Progress
//
// A method of a procedure that may report progress calls progress(ctx, position, total)
// as often as it likes. progressHint says how long an incoming file will be.
//
// # Groups
//
// An optional group is available if all its procedures have methods and the tools that
// they need are there. Exceptions are listed in groups.go.
package server

//go:generate go run ../gen -server . -dispatch dispatch_gen.go -doc ../../../docs/guestfs.md
