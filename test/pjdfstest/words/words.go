// Package words has the command words of pjdfstest's program, which its scripts call for
// every system call: a replacement of that program that can talk to the host's kernel or to
// one of ours. The scripts are not part of this project.
//
// A command line is [-U UMASK] [-u UID] [-g GID,...] CALL ARGUMENT... [: CALL ARGUMENT...]...
// Each call prints its result on a line: 0, what a stat was asked for, or the name of an errno,
// which ends it.
package words

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A System is a kernel, as somebody sees it who has a working directory. Methods are the system
// calls of the same name; [lkl.View] has most of them.
type System interface {
	Openat(dirfd int, path string, flags int, mode uint32) (int, error)
	Unlinkat(dirfd int, path string, flags int) error
	Mkdirat(dirfd int, path string, mode uint32) error
	Mknodat(dirfd int, path string, mode uint32, dev int) error
	Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error
	Symlinkat(target string, dirfd int, path string) error
	Renameat(olddirfd int, oldpath string, newdirfd int, newpath string) error
	Fchmod(fd int, mode uint32) error
	Fchmodat(dirfd int, path string, mode uint32, flags int) error
	Fchown(fd, uid, gid int) error
	Fchownat(dirfd int, path string, uid, gid, flags int) error
	Truncate(path string, size int64) error
	Ftruncate(fd int, size int64) error
	Statx(dirfd int, path string, flags, mask int, st *unix.Statx_t) error
	UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) error
	Pread(fd int, p []byte, off int64) (int, error)
	Pwrite(fd int, p []byte, off int64) (int, error)
	Write(fd int, p []byte) (int, error)
	CloseFd(fd int) error
	// NameMax is the length of the longest name in the working directory, in bytes.
	NameMax() (int, error)
	// Bind makes a socket with a name.
	Bind(path string) error
	// Connect connects to a socket.
	Connect(path string) error
}

// An Identity is who makes the calls: nil groups and a UID of -1 are as the caller is.
type Identity struct {
	UID    int
	Groups []uint32 // the first is the group, the others are supplementary
	Umask  int
}

// ErrWords is the error of a command line that is not one.
var ErrWords = errors.New("not a command line of pjdfstest")

// Options takes the options from a command line and returns the rest.
func Options(args []string) (id Identity, rest []string, err error) {
	id.UID = -1
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--" {
			args = args[1:]
			break
		}
		value := args[1]
		switch args[0] {
		case "-u":
			id.UID, err = strconv.Atoi(value)
		case "-U":
			var n int64
			n, err = strconv.ParseInt(value, 0, 32)
			id.Umask = int(n)
		case "-g":
			for g := range strings.SplitSeq(value, ",") {
				var n uint64
				if n, err = strconv.ParseUint(g, 10, 32); err != nil {
					break
				}
				id.Groups = append(id.Groups, uint32(n))
			}
		default:
			err = ErrWords
		}
		if err != nil {
			return id, nil, fmt.Errorf("%w: %s %s", ErrWords, args[0], value)
		}
		args = args[2:]
	}
	if len(args) == 0 {
		return id, nil, ErrWords
	}
	return id, args, nil
}

// Run makes the calls of a command line and prints their results. It reports whether all have
// succeeded.
func Run(sys System, args []string, out io.Writer) (bool, error) {
	r := &runner{System: sys}
	defer func() {
		for _, fd := range r.fds {
			sys.CloseFd(fd)
		}
	}()
	for len(args) > 0 {
		n := len(args)
		for i, a := range args {
			if a == ":" {
				n = i
				break
			}
		}
		if n == 0 {
			return false, ErrWords
		}
		result, err := r.call(args[0], args[1:n])
		if r.bad != nil {
			return false, r.bad
		}
		if err != nil {
			name := unix.ErrnoName(errnoOf(err))
			if name == "" {
				name = err.Error()
			}
			if name == "ENOTSUP" {
				name = "EOPNOTSUPP"
			}
			fmt.Fprintln(out, name)
			return false, nil
		}
		fmt.Fprintln(out, result)
		args = args[min(n+1, len(args)):]
	}
	return true, nil
}

func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return 0
}

// A runner makes the calls of one command line.
type runner struct {
	System
	fds []int // what was opened, in order: descriptors are named by their place here
	bad error // what is wrong with the words
}

// A list is the arguments of a call that are not taken yet.
type list struct {
	r    *runner
	args []string
}

func (l *list) fail(what string) {
	if l.r.bad == nil {
		l.r.bad = fmt.Errorf("%w: %s", ErrWords, what)
	}
}

func (l *list) text() string {
	if len(l.args) == 0 {
		l.fail("too few arguments")
		return ""
	}
	s := l.args[0]
	l.args = l.args[1:]
	if s == "NULL" || s == "DEADCODE" {
		l.fail("no pointer is passed that is none")
	}
	return s
}

func (l *list) number() int64 {
	s := l.text()
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil && l.r.bad == nil {
		l.fail("no number: " + s)
	}
	return n
}

func (l *list) fd() int {
	switch s := l.text(); s {
	case "AT_FDCWD":
		return unix.AT_FDCWD
	case "BADFD":
		return -1
	default:
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n >= len(l.r.fds) {
			l.fail("no descriptor: " + s)
			return -1
		}
		return l.r.fds[n]
	}
}

// flagValues are the names of flags.
var flagValues = map[string]int{
	"O_RDONLY": unix.O_RDONLY, "O_WRONLY": unix.O_WRONLY, "O_RDWR": unix.O_RDWR, "O_NONBLOCK": unix.O_NONBLOCK,
	"O_APPEND": unix.O_APPEND, "O_CREAT": unix.O_CREAT, "O_TRUNC": unix.O_TRUNC, "O_EXCL": unix.O_EXCL,
	"O_DIRECT": unix.O_DIRECT, "O_SYNC": unix.O_SYNC, "O_FSYNC": unix.O_SYNC, "O_NOFOLLOW": unix.O_NOFOLLOW,
	"O_NOCTTY": unix.O_NOCTTY, "O_DIRECTORY": unix.O_DIRECTORY, "AT_REMOVEDIR": unix.AT_REMOVEDIR,
	"AT_SYMLINK_FOLLOW": unix.AT_SYMLINK_FOLLOW, "AT_SYMLINK_NOFOLLOW": unix.AT_SYMLINK_NOFOLLOW,
	"none": 0, "0": 0,
}

func (l *list) flags() (flags int) {
	for _, f := range strings.FieldsFunc(l.text(), func(c rune) bool { return c == ',' || c == '|' }) {
		n, ok := flagValues[f]
		if !ok {
			l.fail("no flag: " + f)
		}
		flags |= n
	}
	return flags
}

// time takes seconds and nanoseconds.
func (l *list) time() unix.Timespec {
	sec := l.number()
	switch s := l.text(); s {
	case "UTIME_NOW":
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	case "UTIME_OMIT":
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	default:
		nsec, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			l.fail("no number: " + s)
		}
		return unix.Timespec{Sec: sec, Nsec: nsec}
	}
}

// call makes one call. The words are the names of system calls.
func (r *runner) call(word string, args []string) (result string, err error) {
	l := &list{r, args}
	do, ok := calls[word]
	if !ok {
		r.bad = fmt.Errorf("%w: %s", ErrWords, word)
		return "", nil
	}
	run := do(l)
	if r.bad == nil && len(l.args) > 0 {
		l.fail("too many arguments")
	}
	if r.bad != nil {
		return "", nil
	}
	return run()
}

// done is the result of a call that has none.
func done(f func() error) func() (string, error) {
	return func() (string, error) { return "0", f() }
}

const cwd = unix.AT_FDCWD

// calls take their arguments and return what makes the call.
var calls = map[string]func(l *list) func() (string, error){
	"open":   func(l *list) func() (string, error) { return l.open(cwd) },
	"openat": func(l *list) func() (string, error) { return l.open(l.fd()) },
	"create": func(l *list) func() (string, error) {
		path, mode := l.text(), uint32(l.number())
		return done(func() error {
			fd, err := l.r.Openat(cwd, path, unix.O_CREAT|unix.O_EXCL, mode)
			if err == nil {
				l.r.CloseFd(fd)
			}
			return err
		})
	},
	"unlink": func(l *list) func() (string, error) { return l.unlink(cwd, l.text(), 0) },
	"rmdir":  func(l *list) func() (string, error) { return l.unlink(cwd, l.text(), unix.AT_REMOVEDIR) },
	"unlinkat": func(l *list) func() (string, error) {
		return l.unlink(l.fd(), l.text(), l.flags())
	},
	"mkdir":    func(l *list) func() (string, error) { return l.mkdir(cwd) },
	"mkdirat":  func(l *list) func() (string, error) { return l.mkdir(l.fd()) },
	"mkfifo":   func(l *list) func() (string, error) { return l.mkfifo(cwd) },
	"mkfifoat": func(l *list) func() (string, error) { return l.mkfifo(l.fd()) },
	"mknod":    func(l *list) func() (string, error) { return l.mknod(cwd) },
	"mknodat":  func(l *list) func() (string, error) { return l.mknod(l.fd()) },
	"link": func(l *list) func() (string, error) {
		from, to := l.text(), l.text()
		return done(func() error { return l.r.Linkat(cwd, from, cwd, to, 0) })
	},
	"linkat": func(l *list) func() (string, error) {
		fd, from, newfd, to, flags := l.fd(), l.text(), l.fd(), l.text(), l.flags()
		return done(func() error { return l.r.Linkat(fd, from, newfd, to, flags) })
	},
	"symlink": func(l *list) func() (string, error) {
		target, path := l.text(), l.text()
		return done(func() error { return l.r.Symlinkat(target, cwd, path) })
	},
	"symlinkat": func(l *list) func() (string, error) {
		target, fd, path := l.text(), l.fd(), l.text()
		return done(func() error { return l.r.Symlinkat(target, fd, path) })
	},
	"rename": func(l *list) func() (string, error) {
		from, to := l.text(), l.text()
		return done(func() error { return l.r.Renameat(cwd, from, cwd, to) })
	},
	"renameat": func(l *list) func() (string, error) {
		fd, from, newfd, to := l.fd(), l.text(), l.fd(), l.text()
		return done(func() error { return l.r.Renameat(fd, from, newfd, to) })
	},
	"bind": func(l *list) func() (string, error) {
		path := l.text()
		return done(func() error { return l.r.Bind(path) })
	},
	"connect": func(l *list) func() (string, error) {
		path := l.text()
		return done(func() error { return l.r.Connect(path) })
	},
	"chmod": func(l *list) func() (string, error) {
		path, mode := l.text(), uint32(l.number())
		return done(func() error { return l.r.Fchmodat(cwd, path, mode, 0) })
	},
	"fchmod": func(l *list) func() (string, error) {
		fd, mode := l.fd(), uint32(l.number())
		return done(func() error { return l.r.Fchmod(fd, mode) })
	},
	"chown":  func(l *list) func() (string, error) { return l.chown(0) },
	"lchown": func(l *list) func() (string, error) { return l.chown(unix.AT_SYMLINK_NOFOLLOW) },
	"fchown": func(l *list) func() (string, error) {
		fd, uid, gid := l.fd(), int(l.number()), int(l.number())
		return done(func() error { return l.r.Fchown(fd, uid, gid) })
	},
	"truncate": func(l *list) func() (string, error) {
		path, size := l.text(), l.number()
		return done(func() error { return l.r.Truncate(path, size) })
	},
	"ftruncate": func(l *list) func() (string, error) {
		fd, size := l.fd(), l.number()
		return done(func() error { return l.r.Ftruncate(fd, size) })
	},
	"stat":  func(l *list) func() (string, error) { return l.stat(cwd, l.text(), 0) },
	"lstat": func(l *list) func() (string, error) { return l.stat(cwd, l.text(), unix.AT_SYMLINK_NOFOLLOW) },
	"fstat": func(l *list) func() (string, error) { return l.stat(l.fd(), "", unix.AT_EMPTY_PATH) },
	"pathconf": func(l *list) func() (string, error) {
		_, what := l.text(), l.text()
		return func() (string, error) {
			switch what {
			case "_PC_NAME_MAX":
				n, err := l.r.NameMax()
				return strconv.Itoa(n), err
			case "_PC_PATH_MAX":
				return strconv.Itoa(unix.PathMax), nil
			}
			return "", unix.EINVAL
		}
	},
	"pread": func(l *list) func() (string, error) {
		fd, size, off := l.fd(), l.number(), l.number()
		return func() (string, error) {
			buf := make([]byte, min(max(size, 0), 1024))
			n, err := l.r.Pread(fd, buf, off)
			return string(buf[:max(n, 0)]), err
		}
	},
	"pwrite": func(l *list) func() (string, error) {
		fd, data, off := l.fd(), l.text(), l.number()
		return func() (string, error) {
			_, err := l.r.Pwrite(fd, []byte(data), off)
			return "0", err
		}
	},
	"write": func(l *list) func() (string, error) {
		fd, data := l.fd(), l.text()
		return func() (string, error) {
			_, err := l.r.Write(fd, []byte(data))
			return "0", err
		}
	},
	"utimensat": func(l *list) func() (string, error) {
		fd, path, times := l.fd(), l.text(), []unix.Timespec{l.time(), l.time()}
		flags := l.flags()
		return done(func() error { return l.r.UtimesNanoAt(fd, path, times, flags) })
	},
}

func (l *list) open(dirfd int) func() (string, error) {
	path, flags := l.text(), l.flags()
	mode := uint32(0)
	if flags&unix.O_CREAT != 0 {
		mode = uint32(l.number())
	}
	return done(func() error {
		fd, err := l.r.Openat(dirfd, path, flags, mode)
		if err == nil {
			l.r.fds = append(l.r.fds, fd)
		}
		return err
	})
}

func (l *list) unlink(dirfd int, path string, flags int) func() (string, error) {
	return done(func() error { return l.r.Unlinkat(dirfd, path, flags) })
}

func (l *list) mkdir(dirfd int) func() (string, error) {
	path, mode := l.text(), uint32(l.number())
	return done(func() error { return l.r.Mkdirat(dirfd, path, mode) })
}

func (l *list) mkfifo(dirfd int) func() (string, error) {
	path, mode := l.text(), uint32(l.number())
	return done(func() error { return l.r.Mknodat(dirfd, path, unix.S_IFIFO|mode, 0) })
}

func (l *list) mknod(dirfd int) func() (string, error) {
	path, typ, mode, major, minor := l.text(), l.text(), uint32(l.number()), uint32(l.number()), uint32(l.number())
	bits, ok := map[string]uint32{"b": unix.S_IFBLK, "c": unix.S_IFCHR, "f": unix.S_IFIFO, "d": unix.S_IFDIR, "o": unix.S_IFREG}[typ]
	if !ok {
		l.fail("no type: " + typ)
	}
	return done(func() error { return l.r.Mknodat(dirfd, path, bits|mode, int(unix.Mkdev(major, minor))) })
}

func (l *list) chown(flags int) func() (string, error) {
	path, uid, gid := l.text(), int(l.number()), int(l.number())
	return done(func() error { return l.r.Fchownat(cwd, path, uid, gid, flags) })
}

var typeNames = map[uint16]string{
	unix.S_IFIFO: "fifo", unix.S_IFCHR: "char", unix.S_IFDIR: "dir", unix.S_IFBLK: "block",
	unix.S_IFREG: "regular", unix.S_IFLNK: "symlink", unix.S_IFSOCK: "socket",
}

func (l *list) stat(dirfd int, path string, flags int) func() (string, error) {
	what := strings.Split(l.text(), ",")
	return func() (string, error) {
		var st unix.Statx_t
		if err := l.r.Statx(dirfd, path, flags, unix.STATX_BASIC_STATS, &st); err != nil {
			return "", err
		}
		var values []string
		for _, w := range what {
			v, ok := map[string]string{
				"mode": fmt.Sprintf("0%o", st.Mode&0o7777), "type": typeNames[st.Mode&unix.S_IFMT],
				"inode": fmt.Sprint(st.Ino), "nlink": fmt.Sprint(st.Nlink), "uid": fmt.Sprint(int32(st.Uid)), "gid": fmt.Sprint(int32(st.Gid)),
				"size": fmt.Sprint(st.Size), "blocks": fmt.Sprint(st.Blocks), "major": fmt.Sprint(st.Rdev_major), "minor": fmt.Sprint(st.Rdev_minor),
				"atime": fmt.Sprint(st.Atime.Sec), "mtime": fmt.Sprint(st.Mtime.Sec), "ctime": fmt.Sprint(st.Ctime.Sec),
				"atime_ns": fmt.Sprint(st.Atime.Nsec), "mtime_ns": fmt.Sprint(st.Mtime.Nsec), "ctime_ns": fmt.Sprint(st.Ctime.Nsec),
			}[w]
			if !ok {
				v = "unknown"
			}
			values = append(values, v)
		}
		return strings.Join(values, ","), nil
	}
}
