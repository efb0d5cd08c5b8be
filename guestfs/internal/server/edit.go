package server

import (
	"context"
	"crypto/rand"
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Touch makes an empty file, or sets the times of one to now.
func (s *Server) Touch(ctx context.Context, a *rpc.TouchArgs) error {
	if st, err := s.lstat(a.Path); err == nil {
		if fileType(&st) != unix.S_IFREG {
			return errorf("%s: touch can only be used on a regular files", a.Path)
		}
	}
	h, err := s.openPath(a.Path, unix.O_WRONLY|unix.O_CREAT, s.createPerm())
	if err != nil {
		return perror(err, "open: %s", a.Path)
	}
	if err = h.View().Futimens(h.Fd(), nil); err != nil {
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

// RmF is Rm to which it is not an error if there is no file.
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
		return programError(err, "%s: rm", a.Path)
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
		if err := create(name); !errors.Is(err, unix.EEXIST) {
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
		return programError(err, "mv: cannot stat '%s'", a.Src)
	}
	dest := s.into(a.Src, a.Dest)
	if s.fsName(a.Src) == s.fsName(dest) {
		return errorf("mv: '%s' and '%s' are the same file", a.Src, dest)
	}
	err := s.view().Renameat(cwd, a.Src, cwd, dest)
	if err == unix.EXDEV {
		if err = s.copyTree(ctx, a.Src, dest, preserveAll); err == nil {
			err = s.tree().RemoveAll(s.fsName(a.Src))
		}
	}
	var r refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r):
		return errorf("mv: %s", r)
	case err == unix.EINVAL:
		return errorf("mv: cannot move '%s' to a subdirectory of itself, '%s'", a.Src, dest)
	case err == unix.ENOTDIR && s.isDirectory(a.Src):
		return errorf("mv: cannot overwrite non-directory '%s' with directory '%s'", dest, a.Src)
	}
	return programError(err, "mv: cannot move '%s' to '%s'", a.Src, dest)
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
	dest := name
	if symbolic {
		dest = s.into(target, name) // as ln(1); the other is link(2)
	}
	make := func(at string) error { return v.Linkat(cwd, target, cwd, at, 0) }
	if symbolic {
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
	if err != nil && symbolic {
		return programError(err, "ln -s: %s: %s: ln: failed to create symbolic link '%s'", target, name, dest)
	}
	if err != nil {
		return perror(err, "link: %s: %s", target, name)
	}
	return nil
}
