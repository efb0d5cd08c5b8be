package augeas

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of what is copied for augtool. Files that are configured by hand are small.
const (
	maxFile  = 16 << 20  // bytes of a file; a larger one is as if it were not there
	maxFiles = 10000     // files, directories not counted
	maxTotal = 256 << 20 // bytes of all
)

var errTotal = errors.New("too many files, or too large ones, to be copied for augtool")

// files are the copies that an augtool works on: those files of the guest that it may
// want to read.
type files struct {
	g     Guest
	log   func(line string)   // may be nil
	guest string              // the directory of the guest that Augeas takes for the root; "" is /
	root  *os.Root            // where the copies are
	owner *syscall.Credential // whose the copies are; nil if ours

	copies  map[string]fileCopy // by the name below root
	skipped map[string]string   // what is there and was not copied, and why not
}

// fileCopy is what a file was like when it was the same in the guest.
type fileCopy struct {
	sum  [sha256.Size]byte
	size int64
}

func copyOf(data []byte) fileCopy {
	return fileCopy{sum: sha256.Sum256(data), size: int64(len(data))}
}

func fileType(st *unix.Statx_t) uint16 { return st.Mode & unix.S_IFMT }

// path returns the path of the guest of a name below root.
func (a *files) path(name string) string { return a.guest + "/" + name }

// copyIn makes the copies what the files of the guest that match patterns now are. Its
// errors name the file.
func (a *files) copyIn(ctx context.Context, patterns []string) error {
	if !a.g.Mounted() {
		patterns = nil
	}
	names, err := a.match(ctx, patterns)
	if err != nil {
		return err
	}
	// Files that were copied before are looked at again: there may be fewer patterns now.
	for name := range a.copies {
		names[name] = true
	}
	var total int64
	a.skipped = map[string]string{}
	now := map[string]fileCopy{}
	for name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c, err := a.copy(name)
		if err != nil {
			return &FileError{a.path(name), err}
		}
		if c == nil {
			if _, was := a.copies[name]; was {
				if err := a.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			continue
		}
		now[name] = *c
		if total += c.size; total > maxTotal || len(now) > maxFiles {
			return errTotal
		}
	}
	a.copies = now
	return nil
}

// match returns the names of what there is for patterns, and makes their directories.
func (a *files) match(ctx context.Context, patterns []string) (map[string]bool, error) {
	// Most lenses are for what a guest has not: directories that are not there are asked
	// for once.
	names, dirs := map[string]bool{}, map[string]bool{}
	for _, pattern := range patterns {
		pattern = path.Clean("/" + pattern)
		dir := path.Dir(pattern)
		if _, known := dirs[dir]; !known {
			found, err := a.g.Glob(ctx, escapePattern(a.guest)+dir+"/")
			if err != nil {
				return nil, err
			}
			dirs[dir] = len(found) > 0
			for _, p := range found {
				if err := a.mkdir(strings.Trim(p[len(a.guest):], "/")); err != nil {
					return nil, err
				}
			}
		}
		if !dirs[dir] {
			continue
		}
		found, err := a.g.Glob(ctx, escapePattern(a.guest)+pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if name := strings.Trim(p[len(a.guest):], "/"); name != "" {
				names[name] = true
			}
		}
		if len(names) > maxFiles {
			return nil, errTotal
		}
	}
	return names, nil
}

// escapePattern makes a pattern of a path that only it matches.
func escapePattern(p string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
}

// mkdir makes a directory and those above it, if they are not there.
func (a *files) mkdir(name string) error {
	if name == "" {
		return nil
	}
	if _, err := a.root.Lstat(name); err == nil {
		return nil
	}
	if dir := path.Dir(name); dir != "." {
		if err := a.mkdir(dir); err != nil {
			return err
		}
	}
	if err := a.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return a.chown(name)
}

func (a *files) chown(name string) error {
	if a.owner == nil {
		return nil
	}
	return a.root.Lchown(name, int(a.owner.Uid), int(a.owner.Gid))
}

// skip keeps in mind that there is something that must stay as it is.
func (a *files) skip(name, why string) {
	a.skipped[name] = why
	if a.log != nil {
		a.log(fmt.Sprintf("augeas: %s: %s", a.path(name), why))
	}
}

// copy makes the copy of a file, and returns nil if it is to have none.
func (a *files) copy(name string) (*fileCopy, error) {
	if !a.g.Mounted() {
		return nil, nil
	}
	var why syscall.Errno
	f, st, err := a.open(name, unix.O_RDONLY, 0)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		return nil, nil
	case errors.As(err, &why) && (why == unix.ELOOP || why == unix.ENXIO || why == unix.EACCES):
		a.skip(name, why.Error())
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if fileType(&st) != unix.S_IFREG {
		if fileType(&st) != unix.S_IFDIR {
			a.skip(name, "it is not a regular file")
			return nil, nil
		}
		a.skip(name, "it is a directory")
		return nil, a.mkdir(name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		a.skip(name, fmt.Sprintf("it has more than %d bytes", maxFile))
		return nil, nil
	}
	c := copyOf(data)
	// Augeas reads a file again if its time, in seconds, is another one.
	mtime := time.Unix(st.Mtime.Sec, 0)
	if old, err := a.root.Lstat(name); err == nil && old.Mode().IsRegular() {
		if a.copies[name] == c {
			if here, err := a.read(name); err == nil && copyOf(here) == c {
				return &c, nil
			}
		}
		if old.ModTime().Unix() == mtime.Unix() {
			mtime = mtime.Add(time.Second)
		}
	}
	return &c, a.write(name, data, mtime)
}

// open opens a file of the guest.
func (a *files) open(name string, flags int, perm uint32) (File, unix.Statx_t, error) {
	f, err := a.g.Open(a.path(name), flags, perm)
	if err != nil {
		return nil, unix.Statx_t{}, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, st, err
	}
	return f, st, nil
}

// write makes a copy, a new file each time: what augtool has made of the old one is no
// matter.
func (a *files) write(name string, data []byte, mtime time.Time) error {
	if err := a.mkdir(path.Dir("/" + name)[1:]); err != nil {
		return err
	}
	if err := a.root.RemoveAll(name); err != nil {
		return err
	}
	f, err := a.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && a.owner != nil {
		err = f.Chown(int(a.owner.Uid), int(a.owner.Gid))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = a.root.Chtimes(name, mtime, mtime)
	}
	return err
}

// read reads a copy, or a file that augtool has made. It has to be augtool's own: a link
// might lead to what only we may read.
func (a *files) read(name string) ([]byte, error) {
	f, err := a.root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !st.Mode().IsRegular() || a.owner != nil && (!ok || sys.Uid != a.owner.Uid) {
		return nil, errors.New("augtool has left no regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = unix.EFBIG
	}
	return data, err
}

// list returns the names of all regular files that there are.
func (a *files) list() (names []string, err error) {
	err = fs.WalkDir(a.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if names = append(names, name); len(names) > 2*maxFiles {
				err = errTotal
			}
		}
		return err
	})
	return names, err
}
