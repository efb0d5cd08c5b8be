package guestfs

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// readTree unpacks an archive into a directory of the host. The archive is the guest's:
// nothing outside of the directory is touched, whatever its members are called and
// wherever symbolic links point. Device nodes and FIFOs are left out. Owners are kept if
// this is root, as tar(1) does.
func readTree(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return pathError(err)
	}
	defer root.Close()
	x := extractor{root: root, chown: os.Geteuid() == 0}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return x.finish()
		}
		if err != nil {
			return err
		}
		if err := x.member(h, t); err != nil {
			return pathError(err)
		}
	}
}

type extractor struct {
	root  *os.Root
	chown bool
	dirs  []*tar.Header // whose modes and times are set at the end
}

// maxDirs bounds how many directories are remembered.
const maxDirs = 1 << 20

func (x *extractor) member(h *tar.Header, r io.Reader) error {
	name := local(h.Name)
	h.Name = name
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if len(x.dirs) < maxDirs {
			x.dirs = append(x.dirs, h)
		}
		if name == "." {
			return nil
		}
		if st, err := x.root.Lstat(name); err == nil && st.IsDir() {
			return nil
		}
		// Without the right to write, nothing could be put into it.
		return x.root.MkdirAll(name, 0o700)
	case tar.TypeReg:
		if err := x.clear(name); err != nil {
			return err
		}
		f, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		return x.attributes(h, mode)
	case tar.TypeSymlink:
		if err := x.clear(name); err != nil {
			return err
		}
		if err := x.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		if x.chown {
			return x.root.Lchown(name, h.Uid, h.Gid)
		}
		return nil
	case tar.TypeLink:
		if err := x.clear(name); err != nil {
			return err
		}
		return x.root.Link(local(h.Linkname), name)
	}
	return nil
}

// local returns the name of a member below the directory.
func local(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// clear makes room for a member.
func (x *extractor) clear(name string) error {
	if dir := path.Dir(name); dir != "." {
		if err := x.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	err := x.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// attributes sets owner, mode and time of what is not a link.
func (x *extractor) attributes(h *tar.Header, mode fs.FileMode) error {
	if x.chown {
		if err := x.root.Lchown(h.Name, h.Uid, h.Gid); err != nil {
			return err
		}
		mode |= h.FileInfo().Mode() & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	}
	if err := x.root.Chmod(h.Name, mode); err != nil {
		return err
	}
	return x.root.Chtimes(h.Name, h.ModTime, h.ModTime)
}

// finish sets the attributes of directories, the innermost first.
func (x *extractor) finish() error {
	for i := len(x.dirs) - 1; i >= 0; i-- {
		h := x.dirs[i]
		if st, err := x.root.Lstat(h.Name); err != nil || !st.IsDir() {
			continue // another member took its place
		}
		if err := x.attributes(h, fs.FileMode(h.Mode).Perm()); err != nil {
			return pathError(err)
		}
	}
	return nil
}
