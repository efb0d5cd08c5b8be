package treecopy

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// RealPath resolves all symbolic links of a path, inside the tree. As for a process that is
// confined to it by chroot(2), ".." at the root stays there, and absolute links begin at
// the root of the tree.
func RealPath(fsys *unboot.FS, p string) (string, error) { return realPath(fsys, p, false) }

// RealPathNew is RealPath for a file that is going to be made, so that the last element may
// not exist, even if links lead to it: that is where open(2) with O_CREAT makes the file.
func RealPathNew(fsys *unboot.FS, p string) (string, error) { return realPath(fsys, p, true) }

func realPath(fsys *unboot.FS, p string, last bool) (string, error) {
	done, rest := ".", splitPath(p)
	for links := 0; len(rest) > 0; {
		elem := rest[0]
		rest = rest[1:]
		if elem == ".." {
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, elem)
		st, err := fsys.Lstat(next)
		if last && len(rest) == 0 && errors.Is(err, fs.ErrNotExist) {
			return next, nil
		}
		if err != nil {
			return "", err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		// The limit of the kernel, which counts the links of a whole path:
		// path_resolution(7).
		if links++; links > 40 {
			return "", &fs.PathError{Op: "open", Path: p, Err: unix.ELOOP}
		}
		target, err := fsys.Readlink(next)
		if err != nil {
			return "", err
		}
		if target != "" && target[0] == '/' {
			done = "."
		}
		rest = append(splitPath(target), rest...)
	}
	return done, nil
}

// splitPath returns the elements of a path. It keeps "..", which is resolved after links.
func splitPath(p string) []string {
	var elems []string
	for _, e := range strings.Split(p, "/") {
		if e != "" && e != "." {
			elems = append(elems, e)
		}
	}
	return elems
}
