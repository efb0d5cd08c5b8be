package hostdir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Options say how a directory is served. The zero value is good for most uses.
type Options struct {
	ReadOnly bool // what would change anything is EROFS
	Owners   Owners
}

// A Dir is a directory of the host that can be served, to any number of clients.
type Dir struct {
	name string
	fd   int // O_PATH
	root unix.Stat_t
	o    Options
	own  identity

	maxSize int64 // of a file: a write past RLIMIT_FSIZE would be this program's end
}

// Open opens a directory of the host by its host path, of which symbolic links are followed.
// Errors are [*fs.PathError]: ENOTDIR if it is none, EACCES if it is one of a file system by
// which the host's kernel is looked at and set.
func Open(name string, o Options) (*Dir, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d := &Dir{name: name, fd: fd, o: o, own: identity{uint32(os.Geteuid()), uint32(os.Getegid())}, maxSize: math.MaxInt64}
	if err := d.check(); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) == nil && limit.Cur < uint64(d.maxSize) {
		d.maxSize = int64(limit.Cur)
	}
	return d, nil
}

func (d *Dir) check() error {
	if err := unix.Fstat(d.fd, &d.root); err != nil {
		return err
	}
	if ofKernel(d.fd) {
		return unix.EACCES
	}
	// Files are opened by their descriptors there.
	var st unix.Stat_t
	if err := unix.Stat(procPath(d.fd), &st); err != nil {
		return fmt.Errorf("/proc of the host: %w", err)
	}
	if idOf(&st) != idOf(&d.root) {
		return errors.New("/proc of the host is not that of this process")
	}
	return nil
}

// Name returns the host path that the directory was opened by.
func (d *Dir) Name() string { return d.name }

// Close closes the directory. Sessions that are being served go on.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// procPath returns a host path of the file that a descriptor refers to, even if that is of
// O_PATH. It is a link that leads to the file itself, and not to its name.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// again calls f until it is not interrupted by a signal.
func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// kernelFS are the file systems whose files are not data but the host's kernel: to open one of
// them may do anything.
var kernelFS = map[int64]bool{
	unix.PROC_SUPER_MAGIC: true, unix.SYSFS_MAGIC: true, unix.DEBUGFS_MAGIC: true, unix.TRACEFS_MAGIC: true,
	unix.SECURITYFS_MAGIC: true, unix.SELINUX_MAGIC: true, unix.SMACK_MAGIC: true, unix.CGROUP_SUPER_MAGIC: true,
	unix.CGROUP2_SUPER_MAGIC: true, unix.BPF_FS_MAGIC: true, unix.PSTOREFS_MAGIC: true, unix.EFIVARFS_MAGIC: true,
	unix.DEVPTS_SUPER_MAGIC: true, unix.NSFS_MAGIC: true, unix.BINFMTFS_MAGIC: true,
	unix.XENFS_SUPER_MAGIC: true, unix.USBDEVICE_SUPER_MAGIC: true,
	0x62656570: true, // configfs
	0x19800202: true, // mqueue
	0x0187:     true, // autofs
	0x65735543: true, // fusectl
}

// ofKernel reports whether a descriptor is of such a file system.
func ofKernel(fd int) bool {
	var st unix.Statfs_t
	return again(func() error { return unix.Fstatfs(fd, &st) }) == nil && kernelFS[int64(uint32(st.Type))]
}

// opened counts the files that sessions have open, of which there are at most maxOpened.
var opened atomic.Int64

// maxOpened leaves half of the descriptors of this process to the rest of it.
var maxOpened = sync.OnceValue(func() int64 { return descriptorLimit() / 2 })

// maxPaths is how many descriptors of O_PATH each session keeps.
var maxPaths = sync.OnceValue(func() int { return int(min(max(descriptorLimit()/16, 16), 1024)) })

func descriptorLimit() int64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 256
	}
	return int64(min(limit.Cur, 1<<17))
}
