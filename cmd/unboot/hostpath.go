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

// splitHost divides a host path into a directory and a name in it. What ".." leads
// to is for the host to say.
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

// cleanHost is filepath.Clean for paths in which ".." may come behind a symbolic link,
// where it does not lead back to where the link is. The last element is not followed.
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

// diskKeys returns the files of the host that are disks of the images that are open,
// or of those of them that are open for writing.
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
