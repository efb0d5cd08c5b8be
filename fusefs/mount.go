package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// Options say how a tree is shown. The zero value is for the caller alone, without devices
// and set-user-ID bits, and read-only if the tree is.
type Options struct {
	// Source is what mount tables call the image.
	Source string
	// ReadOnly lets nobody write, even if the tree can be written to.
	ReadOnly bool
	// AllowOther lets other users in. The host then checks permissions by the owners and
	// modes that are shown. An ordinary user needs user_allow_other in /etc/fuse.conf.
	AllowOther bool
	// DefaultPermissions has the host check permissions also for the caller alone. Without
	// it, and without AllowOther, the caller may do everything that the image's root may.
	DefaultPermissions bool
	// Dev and Suid make device nodes and set-user-ID bits mean what they say, which only
	// root can want. With an image of somebody else, they give the host away.
	Dev, Suid bool
	// NoExec forbids to execute programs.
	NoExec bool
	// UID and GID, if they are not nil, are shown as the owner of all files, whoever they
	// belong to. Files that are made then belong to root in the image, and owners cannot be
	// changed.
	UID, GID *uint32
	// UIDs and GIDs say how owners are shown; by default they are shown as they are.
	UIDs, GIDs []IDRange
	// Writeback keeps on the host what is written, for a while, instead of passing it on at
	// once: many small writes are faster, and errors come later, at fsync(2) and close(2).
	Writeback bool
	// Options are more of mount(8), such as "noatime", which are passed on as they are.
	Options []string
	// Log is called with what goes wrong and is no request's error, such as the end of the
	// image's kernel.
	Log func(error)

	owners owners
}

// ErrNoFUSE is the error of a host that has no FUSE, or does not let this program use it.
var ErrNoFUSE = errors.New("FUSE is not available")

// A Mounted is a tree that the host sees.
type Mounted struct {
	dir    string
	fs     *FS
	server *fuse.Server
	by     Mounter // who has mounted it, if not this package
	done   chan struct{}
	stop   func() bool
}

// Mount shows a tree at a directory of the host. It returns when the directory can be used.
// Nothing else may change the tree meanwhile, and it must be mounted until [Mounted.Wait]
// has returned. When ctx ends, the mount is ended, for those who use it, too.
//
// As root, it uses /dev/fuse itself; otherwise the program fusermount3(1). If neither can be used,
// the error wraps [ErrNoFUSE].
func Mount(ctx context.Context, fsys *unboot.FS, dir string, o *Options) (*Mounted, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &os.PathError{Op: "mount", Path: dir, Err: unix.ENOTDIR}
	}
	if err := available(); err != nil {
		return nil, err
	}
	return serve(ctx, fsys, dir, nil, o)
}

// Serve shows a tree by a descriptor of /dev/fuse that somebody else has mounted, and takes the
// descriptor over: see [Mount].
func Serve(ctx context.Context, fsys *unboot.FS, fd int, o *Options) (*Mounted, error) {
	return serve(ctx, fsys, deviceDir(fd), nil, o)
}

// deviceDir is what go-fuse calls the place of a mount that somebody else makes.
func deviceDir(fd int) string { return fmt.Sprintf("/dev/fd/%d", fd) }

// A Mounter mounts for a program that cannot: for one in a sandbox, for example, as
// [service.Conn] does.
type Mounter interface {
	// Device returns the descriptor of /dev/fuse from which requests will come.
	Device() *os.File
	// Mount mounts it. source is what mount tables call it; flags are those of mount(2), and
	// options FUSE's own, as a list with commas.
	Mount(source, dir string, flags uintptr, options string) error
}

// MountBy is [Mount] by somebody else. dir means something to that one alone: what is mounted can be
// unmounted only there, so [Mounted.Unmount] is an error, and [Mounted.End] does nothing.
func MountBy(ctx context.Context, fsys *unboot.FS, by Mounter, dir string, o *Options) (*Mounted, error) {
	return serve(ctx, fsys, dir, by, o)
}

// fuseDevice is what FUSE needs.
const fuseDevice = "/dev/fuse"

// available returns why there is no FUSE.
func available() error {
	f, err := os.OpenFile(fuseDevice, os.O_RDWR, 0)
	if err == nil {
		f.Close()
		if os.Geteuid() == 0 {
			return nil
		}
	}
	if _, look := exec.LookPath("fusermount3"); look != nil && err == nil {
		if _, look := exec.LookPath("fusermount"); look != nil {
			return fmt.Errorf("%w: no program fusermount3 (Debian's package fuse3)", ErrNoFUSE)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFUSE, err)
	}
	return nil
}

// maxIO is the most that one request reads or writes, in bytes: what Linux allows.
const maxIO = 1 << 20

func serve(ctx context.Context, fsys *unboot.FS, dir string, by Mounter, o *Options) (*Mounted, error) {
	if o == nil {
		o = &Options{}
	}
	opts := *o
	if !validRanges(opts.UIDs) || !validRanges(opts.GIDs) {
		return nil, fmt.Errorf("ranges of owners: %w", unix.EINVAL)
	}
	opts.owners = owners{opts.UID, opts.GID, opts.UIDs, opts.GIDs}
	f, err := newFS(fsys, opts)
	if err != nil {
		return nil, err
	}
	f.readOnly = f.readOnly || opts.ReadOnly
	m := &Mounted{dir: dir, fs: f, by: by, done: make(chan struct{})}
	mo := f.mountOptions()
	at := dir
	if by != nil {
		// Before requests are read, as there are none without a mount.
		if at, err = mountBy(by, dir, mo); err != nil {
			f.close()
			return nil, err
		}
	} else if os.Geteuid() == 0 {
		mo.DirectMountFlags, mo.Options = directFlags(mo.Options)
		mo.DirectMountStrict = !strings.HasPrefix(dir, "/dev/fd/")
	}
	m.server, err = fuse.NewServer(f, at, mo)
	if err != nil {
		f.close()
		return nil, mountError(dir, err)
	}
	go func() {
		m.server.Serve()
		f.close()
		close(m.done)
	}()
	if err := m.server.WaitMount(); err != nil {
		m.End()
		return nil, mountError(dir, err)
	}
	if by == nil {
		f.readAhead(dir)
	}
	m.stop = context.AfterFunc(ctx, func() { m.End() })
	return m, nil
}

// mountError names the directory.
func mountError(dir string, err error) error {
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: %w", ErrNoFUSE, err)
	}
	// fusermount3 has said what is wrong.
	if text := strings.TrimSpace(err.Error()); text != err.Error() {
		err = errors.New(text)
	}
	return fmt.Errorf("mount %s: %w", dir, err)
}

// mountOptions returns the options of FUSE.
func (f *FS) mountOptions() *fuse.MountOptions {
	o := &f.opts
	mo := &fuse.MountOptions{
		AllowOther: o.AllowOther, FsName: o.Source, Name: "unboot",
		MaxBackground: 64, MaxWrite: maxIO, MaxReadAhead: maxIO,
		EnableSymlinkCaching: true, ExplicitDataCacheControl: true,
		DisableSplice: true, // of data in memory it costs more than it saves
		ExtraCapabilities: fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_DONT_MASK | fuse.CAP_HANDLE_KILLPRIV_V2 |
			fuse.CAP_IOCTL_DIR | fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_SETXATTR_EXT,
		Logger:  log.New(io.Discard, "", 0),
		Options: append([]string(nil), o.Options...),
	}
	if f.readOnly {
		// Where files are written to, Linux would leave what it has read before in its cache, by
		// the side of what was written asynchronously past that.
		mo.ExtraCapabilities |= fuse.CAP_ASYNC_DIO
	}
	if o.Writeback {
		mo.ExtraCapabilities |= fuse.CAP_WRITEBACK_CACHE
	}
	if o.AllowOther || o.DefaultPermissions {
		mo.Options = append(mo.Options, "default_permissions")
		// The host can check access control lists only if it knows those that they name.
		mo.EnableAcl = !f.noXattrs && o.UID == nil && o.GID == nil && o.UIDs == nil && o.GIDs == nil
	}
	if f.readOnly {
		mo.Options = append(mo.Options, "ro")
	}
	for _, w := range []struct {
		set  bool
		word string
	}{{o.Dev, "dev"}, {o.Suid, "suid"}, {o.NoExec, "noexec"}} {
		if w.set {
			mo.Options = append(mo.Options, w.word)
		}
	}
	return mo
}

// mountBy has somebody else mount, and returns what go-fuse calls the place.
func mountBy(by Mounter, dir string, mo *fuse.MountOptions) (at string, err error) {
	flags, options := directFlags(mo.Options)
	options = append(options, fmt.Sprintf("max_read=%d", mo.MaxWrite))
	if mo.AllowOther {
		options = append(options, "allow_other")
	}
	f := by.Device()
	defer f.Close()
	if err := by.Mount(mo.FsName, dir, flags&^unix.MS_SILENT, strings.Join(options, ",")); err != nil {
		return "", err
	}
	// The server closes its descriptor by itself.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("mount %s: %w", dir, err)
	}
	return deviceDir(fd), nil
}

// flagWords are the options of mount(8) that are flags of mount(2), and what they clear.
var flagWords = map[string]struct{ set, clear uintptr }{
	"ro": {set: unix.MS_RDONLY}, "rw": {clear: unix.MS_RDONLY},
	"nodev": {set: unix.MS_NODEV}, "dev": {clear: unix.MS_NODEV},
	"nosuid": {set: unix.MS_NOSUID}, "suid": {clear: unix.MS_NOSUID},
	"noexec": {set: unix.MS_NOEXEC}, "exec": {clear: unix.MS_NOEXEC},
	"noatime": {set: unix.MS_NOATIME}, "atime": {clear: unix.MS_NOATIME},
	"nodiratime": {set: unix.MS_NODIRATIME}, "relatime": {set: unix.MS_RELATIME},
	"strictatime": {set: unix.MS_STRICTATIME}, "sync": {set: unix.MS_SYNCHRONOUS},
	"async": {clear: unix.MS_SYNCHRONOUS}, "dirsync": {set: unix.MS_DIRSYNC},
}

// directFlags divides options into flags of mount(2) and others.
func directFlags(words []string) (flags uintptr, rest []string) {
	// MS_SILENT does not matter here, and makes flags of 0 distinct from none. (MS_MGC_VAL would
	// do so only where no other flag has a bit in the upper half, as MS_STRICTATIME has.)
	flags = unix.MS_SILENT | unix.MS_NODEV | unix.MS_NOSUID
	for _, w := range words {
		if b, ok := flagWords[w]; ok {
			flags = flags&^b.clear | b.set
		} else {
			rest = append(rest, w)
		}
	}
	return flags, rest
}

// readAhead has the host read as far ahead as a request can be, which only root may say. An
// error costs speed alone.
func (f *FS) readAhead(dir string) {
	var st unix.Stat_t
	if os.Geteuid() != 0 || unix.Stat(dir, &st) != nil {
		return
	}
	name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(st.Dev), unix.Minor(st.Dev))
	_ = os.WriteFile(name, []byte(fmt.Sprint(maxIO>>10)), 0o644)
}

// Dir returns the host path of the directory.
func (m *Mounted) Dir() string { return m.dir }

// Wait waits until the directory is unmounted, by whomever. Then nothing of this package uses
// the tree any more.
func (m *Mounted) Wait() { <-m.done }

// Done is closed when Wait would return.
func (m *Mounted) Done() <-chan struct{} { return m.done }

// Idle returns how long no request has come.
func (m *Mounted) Idle() time.Duration {
	return time.Since(time.Unix(0, m.fs.lastUse.Load()))
}

// Unmount unmounts the directory and waits. If it is in use, it stays, and the error is
// unix.EBUSY.
func (m *Mounted) Unmount() error {
	if m.by != nil {
		return &os.PathError{Op: "unmount", Path: m.dir, Err: unix.EPERM}
	}
	if err := Unmount(m.dir, false); err != nil {
		return err
	}
	m.Wait()
	return nil
}

// End takes the directory away from those who use it: what they have open fails from now on,
// and with the next call of theirs the mount is gone.
func (m *Mounted) End() {
	if m.by != nil {
		return
	}
	// What is not in use ends in good order.
	if Unmount(m.dir, false) == nil {
		m.Wait()
		return
	}
	_ = Unmount(m.dir, true)
}

// unmounting lets one goroutine at a time unmount.
var unmounting sync.Mutex

// Unmount unmounts a directory where this package, or another program, has mounted an image.
// With lazy it is taken out of the tree of files at once, and ends when nobody uses it any more.
// A directory that is in use is unix.EBUSY otherwise.
func Unmount(dir string, lazy bool) error {
	unmounting.Lock()
	defer unmounting.Unlock()
	if os.Geteuid() == 0 {
		flags := unix.UMOUNT_NOFOLLOW
		if lazy {
			flags |= unix.MNT_DETACH
		}
		err := unix.Unmount(dir, flags)
		if err == nil || err != unix.EPERM {
			return err
		}
	}
	args := []string{"-u"}
	if lazy {
		args = append(args, "-z")
	}
	program, err := exec.LookPath("fusermount3")
	if err != nil {
		if program, err = exec.LookPath("fusermount"); err != nil {
			return fmt.Errorf("%w: %w", ErrNoFUSE, err)
		}
	}
	out, err := exec.Command(program, append(args, "--", dir)...).CombinedOutput()
	switch text := strings.TrimSpace(string(out)); {
	case err == nil:
		return nil
	case strings.Contains(text, "busy"):
		return unix.EBUSY
	case text != "":
		return errors.New(text)
	}
	return err
}
