// Package testtree makes trees of files for tests of inspection: from a map, or from
// a directory of the host. Symbolic links are resolved inside the tree, the absolute
// ones too, as they are in a mounted image.
package testtree

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing/fstest"
)

// Files describes a tree: contents by path. The content "-> TARGET" makes a symbolic
// link, a path with a slash at its end a directory, and the content "fifo" a FIFO.
type Files map[string]string

// FS returns the tree.
func (f Files) FS() fs.ReadLinkFS {
	m := fstest.MapFS{}
	for name, text := range f {
		file := &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			file = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		}
		if text == "fifo" {
			file.Mode = fs.ModeNamedPipe
		}
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			name, file = dir, &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		}
		m[name] = file
	}
	return &chroot{m}
}

// With returns f with other files added or replaced.
func (f Files) With(more Files) Files {
	all := Files{}
	for name, text := range f {
		all[name] = text
	}
	for name, text := range more {
		all[name] = text
	}
	return all
}

// Dir returns a directory of the host as a tree.
func Dir(hostPath string) fs.ReadLinkFS { return &chroot{os.DirFS(hostPath).(fs.ReadLinkFS)} }

// chroot resolves links itself, and asks what is below for nothing but Lstat,
// ReadLink and the opening of resolved paths.
type chroot struct{ lower fs.ReadLinkFS }

var errLoop = errors.New("too many levels of symbolic links")

// resolve returns the path without links. The last element is left alone on request.
func (c *chroot) resolve(op, name string, follow bool) (string, error) {
	fail := func(err error) (string, error) { return "", &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	rest, dir, links := strings.Split(name, "/"), ".", 0
	for len(rest) > 0 {
		elem := rest[0]
		rest = rest[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			dir = path.Dir(dir)
			continue
		}
		here := path.Join(dir, elem)
		st, err := c.lower.Lstat(here)
		if err != nil {
			return fail(errors.Unwrap(err))
		}
		if st.Mode().Type() == fs.ModeSymlink && (follow || len(rest) > 0) {
			if links++; links > 40 {
				return fail(errLoop)
			}
			target, err := c.lower.ReadLink(here)
			if err != nil {
				return fail(err)
			}
			if path.IsAbs(target) {
				dir = "."
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		}
		dir = here
	}
	return dir, nil
}

func (c *chroot) Open(name string) (fs.File, error) {
	p, err := c.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	return c.lower.Open(p)
}

func (c *chroot) Stat(name string) (fs.FileInfo, error) {
	p, err := c.resolve("stat", name, true)
	if err != nil {
		return nil, err
	}
	return c.lower.Lstat(p)
}

func (c *chroot) Lstat(name string) (fs.FileInfo, error) {
	p, err := c.resolve("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return c.lower.Lstat(p)
}

func (c *chroot) ReadLink(name string) (string, error) {
	p, err := c.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	return c.lower.ReadLink(p)
}

// Write makes the tree in a directory of the host.
func (f Files) Write(hostDir string) error {
	for name, text := range f {
		host := path.Join(hostDir, name)
		dir := path.Dir(host)
		if strings.HasSuffix(name, "/") {
			dir = host
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, host)
		} else if dir != host {
			err = os.WriteFile(host, []byte(text), 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
