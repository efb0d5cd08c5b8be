package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/unboot/unboot/internal/treecopy"
)

// splitHost divides a host path into a directory and a name in it. Unlike path.Split after
// path.Clean, it leaves ".." to the host: after a symbolic link, it does not lead back to
// where the link is.
func splitHost(p string) (dir, name string) {
	p = strings.TrimRight(p, "/")
	i := strings.LastIndexByte(p, '/')
	switch {
	case i < 0:
		return ".", p
	case i == 0:
		return "/", p[1:]
	}
	return p[:i], p[i+1:]
}

// cleanHost is filepath.Clean for paths in which ".." may follow a symbolic link: those
// are resolved by the host, and the others stay as they were written, for messages. The
// last element is not followed, unless the path demands a directory.
func cleanHost(p string) (string, error) {
	if !slices.Contains(strings.Split(p, "/"), "..") {
		return filepath.Clean(p), nil
	}
	if demandsDir(p) {
		return filepath.EvalSymlinks(p)
	}
	dir, name := splitHost(p)
	dir, err := filepath.EvalSymlinks(dir)
	return filepath.Join(dir, name), err
}

// isDisk reports whether a file of the host is one of the disks that are open.
func (a *app) isDisk(st fs.FileInfo) bool {
	key, ok := fileKey(st)
	return ok && a.diskKeys(false)[key]
}

// diskKeys returns the files of the host that are disks of the open images, or only those
// that are open for writing. Files are compared by device and inode: a path can be written
// in many ways, and links lead to the same file.
func (a *app) diskKeys(written bool) map[treecopy.FileID]bool {
	keys := map[treecopy.FileID]bool{}
	add := func(st fs.FileInfo) {
		if key, ok := fileKey(st); ok {
			keys[key] = true
		}
	}
	for _, o := range a.images {
		if written && !o.write {
			continue
		}
		// As it was when the image was opened, even if the path leads elsewhere by
		// now.
		add(o.stat)
		for _, path := range a.opts.add {
			if st, err := os.Stat(path); err == nil {
				add(st)
			}
		}
	}
	return keys
}

func fileKey(st fs.FileInfo) (treecopy.FileID, bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return treecopy.FileID{}, false
	}
	return treecopy.FileID{Dev: uint64(sys.Dev), Ino: sys.Ino}, true
}
