package server

import (
	"context"
	"crypto/rand"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/rpc"
)

// Touch makes an empty file, or sets the times of one to now.
func (s *Server) Touch(ctx context.Context, a *rpc.TouchArgs) error {
	if st, err := s.lstat(a.Path); err == nil {
		if t := fileType(&st); t != unix.S_IFREG && t != unix.S_IFDIR {
			return errorf("%s: touch can only be used on a regular files", a.Path)
		}
		if fileType(&st) == unix.S_IFDIR {
			return perror(unix.EISDIR, "open: %s", a.Path)
		}
	}
	h, err := s.openPath(a.Path, unix.O_WRONLY|unix.O_CREAT, s.createPerm())
	if err != nil {
		return perror(err, "open: %s", a.Path)
	}
	if err = h.v.Futimens(h.fd, nil); err != nil {
		err = perror(err, "futimens: %s", a.Path)
	}
	return h.closed(err)
}

// Rm removes a file.
func (s *Server) Rm(ctx context.Context, a *rpc.RmArgs) error {
	if err := s.view().Unlinkat(cwd, a.Path, 0); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// RmF is Rm to which it is no error if there is no file.
func (s *Server) RmF(ctx context.Context, a *rpc.RmFArgs) error {
	if err := s.view().Unlinkat(cwd, a.Path, 0); err != nil && err != unix.ENOENT {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// RmRf removes a file, or a directory and all below it.
func (s *Server) RmRf(ctx context.Context, a *rpc.RmRfArgs) error {
	name := s.fsName(a.Path)
	if name == "." {
		return errorf("cannot remove root directory")
	}
	if err := s.tree().RemoveAll(name); err != nil {
		return perror(err, "%s: rm", a.Path)
	}
	return nil
}

// Rmdir removes an empty directory.
func (s *Server) Rmdir(ctx context.Context, a *rpc.RmdirArgs) error {
	if err := s.view().Unlinkat(cwd, a.Path, unix.AT_REMOVEDIR); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// Mkdir makes a directory.
func (s *Server) Mkdir(ctx context.Context, a *rpc.MkdirArgs) error {
	if err := s.view().Mkdirat(cwd, a.Path, 0o777&^s.umask); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// MkdirMode makes a directory with permissions, of which the umask is taken away.
func (s *Server) MkdirMode(ctx context.Context, a *rpc.MkdirModeArgs) error {
	if a.Mode < 0 {
		return errorf("%s: mode is negative", a.Path)
	}
	if err := s.view().Mkdirat(cwd, a.Path, uint32(a.Mode)&^s.umask); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// MkdirP makes a directory and those above it.
func (s *Server) MkdirP(ctx context.Context, a *rpc.MkdirPArgs) error {
	err := s.mkdirAll(a.Path)
	if err == unix.EEXIST {
		return errorf("%s: a path element was not a directory", a.Path)
	}
	if err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// mkdirAll returns EEXIST for what is there and no directory.
func (s *Server) mkdirAll(p string) error {
	v := s.view()
	at := 0
	for at < len(p) {
		for at < len(p) && p[at] == '/' {
			at++
		}
		for at < len(p) && p[at] != '/' {
			at++
		}
		err := v.Mkdirat(cwd, p[:at], 0o777&^s.umask)
		if err == nil {
			continue
		}
		// On a read-only file system, EROFS comes only for what is not there.
		st, serr := s.stat(p[:at])
		if serr != nil {
			return err
		}
		if fileType(&st) != unix.S_IFDIR {
			if at == len(p) {
				return unix.EEXIST
			}
			return unix.ENOTDIR
		}
	}
	return nil
}

// temporary makes something under a name in which the last XXXXXX, that a suffix may
// follow, are random.
func temporary(tmpl, suffix string, create func(name string) error) (string, error) {
	const tries = 100
	if !strings.HasSuffix(tmpl, "XXXXXX") {
		return "", unix.EINVAL
	}
	for range tries {
		name := strings.TrimSuffix(tmpl, "XXXXXX") + rand.Text()[:6] + suffix
		if err := create(name); err != unix.EEXIST {
			return name, err
		}
	}
	return "", unix.EEXIST
}

// Mkdtemp makes a directory with a new name.
func (s *Server) Mkdtemp(ctx context.Context, a *rpc.MkdtempArgs) (string, error) {
	name, err := temporary(a.Tmpl, "", func(name string) error { return s.view().Mkdirat(cwd, name, 0o700) })
	if err != nil {
		return "", perror(err, "%s", a.Tmpl)
	}
	return name, nil
}

// Mktemp makes a file with a new name.
func (s *Server) Mktemp(ctx context.Context, a *rpc.MktempArgs) (string, error) {
	suffix := a.Suffix.Or("")
	if strings.Contains(suffix, "/") {
		return "", errorf("suffix cannot contain '/'")
	}
	v := s.view()
	name, err := temporary(a.Tmpl, suffix, func(name string) error {
		fd, err := v.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|openFlags, 0o600)
		if err == nil {
			err = v.CloseFd(fd)
		}
		return err
	})
	if err != nil {
		return "", perror(err, "%s", a.Tmpl)
	}
	return name, nil
}

// Mv moves a file, into the target if that is a directory, and to another file system
// if need be.
func (s *Server) Mv(ctx context.Context, a *rpc.MvArgs) error {
	if _, err := s.lstat(a.Src); err != nil {
		return perror(err, "mv: cannot stat '%s'", a.Src)
	}
	dest := s.into(a.Src, a.Dest)
	err := s.view().Renameat(cwd, a.Src, cwd, dest)
	if err == unix.EXDEV {
		if err = s.copyTree(ctx, a.Src, dest, preserveAll); err == nil {
			err = s.tree().RemoveAll(s.fsName(a.Src))
		}
	}
	if err != nil {
		return perror(err, "mv: cannot move '%s' to '%s'", a.Src, dest)
	}
	return nil
}

// into returns where a file goes that cp(1) or mv(1) is to put somewhere.
func (s *Server) into(src, dest string) string {
	if !s.isDirectory(dest) {
		return dest
	}
	return strings.TrimRight(dest, "/") + "/" + path.Base(src)
}

// Rename renames a file, as rename(2).
func (s *Server) Rename(ctx context.Context, a *rpc.RenameArgs) error {
	if err := s.view().Renameat(cwd, a.Oldpath, cwd, a.Newpath); err != nil {
		return perror(err, "rename: %s: %s", a.Oldpath, a.Newpath)
	}
	return nil
}

// Ln makes a hard link.
func (s *Server) Ln(ctx context.Context, a *rpc.LnArgs) error {
	return s.link(a.Target, a.Linkname, false, false)
}

// LnF makes a hard link in place of what has the name.
func (s *Server) LnF(ctx context.Context, a *rpc.LnFArgs) error {
	return s.link(a.Target, a.Linkname, false, true)
}

// LnS makes a symbolic link.
func (s *Server) LnS(ctx context.Context, a *rpc.LnSArgs) error {
	return s.link(a.Target, a.Linkname, true, false)
}

// LnSf makes a symbolic link in place of what has the name.
func (s *Server) LnSf(ctx context.Context, a *rpc.LnSfArgs) error {
	return s.link(a.Target, a.Linkname, true, true)
}

func (s *Server) link(target, name string, symbolic, force bool) error {
	v := s.view()
	dest := s.into(target, name)
	op := "link"
	make := func(at string) error { return v.Linkat(cwd, target, cwd, at, 0) }
	if symbolic {
		op = "symlink"
		make = func(at string) error { return v.Symlinkat(target, cwd, at) }
	}
	err := make(dest)
	if err == unix.EEXIST && force {
		// Under another name first, so that there is always one.
		var tmp string
		tmp, err = temporary(path.Dir(dest)+"/.unbootXXXXXX", "", make)
		if err == nil {
			if err = v.Renameat(cwd, tmp, cwd, dest); err != nil {
				v.Unlinkat(cwd, tmp, 0)
			} else {
				// Of two links to one file, rename(2) leaves both.
				v.Unlinkat(cwd, tmp, 0)
			}
		}
	}
	if err != nil {
		return perror(err, "%s: %s: %s", op, target, name)
	}
	return nil
}

// Chmod sets permissions.
func (s *Server) Chmod(ctx context.Context, a *rpc.ChmodArgs) error {
	if a.Mode < 0 {
		return errorf("%s: mode is negative", a.Path)
	}
	if err := s.view().Fchmodat(cwd, a.Path, uint32(a.Mode)&0o7777, 0); err != nil {
		return perror(err, "%s: 0%o", a.Path, a.Mode)
	}
	return nil
}

// Chown sets the owner.
func (s *Server) Chown(ctx context.Context, a *rpc.ChownArgs) error {
	if err := s.view().Fchownat(cwd, a.Path, a.Owner, a.Group, 0); err != nil {
		return perror(err, "%s: %d.%d", a.Path, a.Owner, a.Group)
	}
	return nil
}

// Lchown sets the owner, of a symbolic link its own.
func (s *Server) Lchown(ctx context.Context, a *rpc.LchownArgs) error {
	if err := s.view().Fchownat(cwd, a.Path, a.Owner, a.Group, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return perror(err, "%s: %d.%d", a.Path, a.Owner, a.Group)
	}
	return nil
}

// Utimens sets the times of access and modification. Nanoseconds of -1 stand for now,
// of -2 for the time as it is.
func (s *Server) Utimens(ctx context.Context, a *rpc.UtimensArgs) error {
	times := []unix.Timespec{{Sec: a.Atsecs, Nsec: a.Atnsecs}, {Sec: a.Mtsecs, Nsec: a.Mtnsecs}}
	for i := range times {
		switch times[i].Nsec {
		case -1:
			times[i].Nsec = unix.UTIME_NOW
		case -2:
			times[i].Nsec = unix.UTIME_OMIT
		}
	}
	if err := s.view().UtimesNanoAt(cwd, a.Path, times, 0); err != nil {
		return perror(err, "utimensat: %s", a.Path)
	}
	return nil
}

// Mknod makes a file of any type.
func (s *Server) Mknod(ctx context.Context, a *rpc.MknodArgs) error {
	if a.Mode < 0 {
		return errorf("%d: mode is negative", a.Mode)
	}
	return s.mknod(a.Path, uint32(a.Mode), a.Devmajor, a.Devminor)
}

// MknodB makes a block device.
func (s *Server) MknodB(ctx context.Context, a *rpc.MknodBArgs) error {
	return s.mknodType(a.Path, unix.S_IFBLK, a.Mode, a.Devmajor, a.Devminor)
}

// MknodC makes a character device.
func (s *Server) MknodC(ctx context.Context, a *rpc.MknodCArgs) error {
	return s.mknodType(a.Path, unix.S_IFCHR, a.Mode, a.Devmajor, a.Devminor)
}

// Mkfifo makes a FIFO.
func (s *Server) Mkfifo(ctx context.Context, a *rpc.MkfifoArgs) error {
	return s.mknodType(a.Path, unix.S_IFIFO, a.Mode, 0, 0)
}

func (s *Server) mknodType(p string, typ uint32, mode, major, minor int) error {
	if mode < 0 || mode&^0o777 != 0 {
		return errorf("%o: mode must specify only file permission bits", uint32(mode))
	}
	return s.mknod(p, typ|uint32(mode), major, minor)
}

func (s *Server) mknod(p string, mode uint32, major, minor int) error {
	mode = mode&unix.S_IFMT | mode&0o7777&^s.umask
	dev := unix.Mkdev(uint32(major), uint32(minor))
	if err := s.view().Mknodat(cwd, p, mode, int(dev)); err != nil {
		return perror(err, "mknod: %s", p)
	}
	return nil
}

// Truncate makes a file empty.
func (s *Server) Truncate(ctx context.Context, a *rpc.TruncateArgs) error {
	return s.truncate(a.Path, 0)
}

// TruncateSize sets the size of a file in bytes.
func (s *Server) TruncateSize(ctx context.Context, a *rpc.TruncateSizeArgs) error {
	return s.truncate(a.Path, a.Size)
}

func (s *Server) truncate(p string, size int64) error {
	h, err := s.openPath(p, unix.O_WRONLY, 0)
	if err != nil {
		return perror(err, "open: %s", p)
	}
	if err = h.v.Ftruncate(h.fd, size); err != nil {
		err = perror(err, "ftruncate: %s", p)
	}
	return h.closed(err)
}

// Umask sets the umask and returns that of before.
func (s *Server) Umask(ctx context.Context, a *rpc.UmaskArgs) (int, error) {
	if a.Mask < 0 || a.Mask > 0o777 {
		return 0, errorf("0%o: mask negative or out of range", uint32(a.Mask))
	}
	old := s.umask
	s.umask = uint32(a.Mask)
	return int(old), nil
}

// GetUmask returns the umask.
func (s *Server) GetUmask(ctx context.Context) (int, error) { return int(s.umask), nil }

// MklostAndFound makes the directory lost+found of a file system, with room for names.
func (s *Server) MklostAndFound(ctx context.Context, a *rpc.MklostAndFoundArgs) error {
	v := s.view()
	dir := strings.TrimRight(a.Mountpoint, "/") + "/lost+found"
	if err := v.Mkdirat(cwd, dir, 0o700); err != nil {
		return perror(err, "mklost+found: %s", dir)
	}
	// As mklost+found(8): fsck must not have to look for blocks, so the directory gets
	// some by holding files with long names for a while. 16 KiB are what it makes.
	const files, nameLen = 72, 246
	name := func(i int) string {
		return dir + "/" + strings.Repeat("x", nameLen-3) + string(rune('0'+i/10)) + string(rune('0'+i%10))
	}
	var first error
	for i := range files {
		if err := v.Mknodat(cwd, name(i), unix.S_IFREG|0o600, 0); err != nil {
			first = err
			break
		}
	}
	for i := range files {
		if err := v.Unlinkat(cwd, name(i), 0); err != nil && first == nil {
			first = err
		}
	}
	if first != nil {
		return perror(first, "mklost+found: %s", dir)
	}
	return nil
}
