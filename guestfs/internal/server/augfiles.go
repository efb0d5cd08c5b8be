package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is copied for augtool. Files that are configured by hand are small.
const (
	maxAugFile  = 16 << 20  // bytes of a file; a larger one is as if it were not there
	maxAugFiles = 10000     // files, directories not counted
	maxAugTotal = 256 << 20 // bytes of all
)

var errAugTotal = errors.New("too many files, or too large ones, to be copied for augtool")

// augFiles are the copies that an augtool works on: those files of the guest that it may
// want to read.
type augFiles struct {
	s     *Server
	guest string              // the directory of the guest that Augeas takes for the root; "" is /
	root  *os.Root            // where the copies are
	owner *syscall.Credential // whose the copies are; nil if ours

	copies  map[string]augCopy // by the name below root
	skipped map[string]string  // what is there and was not copied, and why not
}

// augCopy is what a file was like when it was the same in the guest.
type augCopy struct {
	sum  [sha256.Size]byte
	size int64
}

func augCopyOf(data []byte) augCopy {
	return augCopy{sum: sha256.Sum256(data), size: int64(len(data))}
}

// path returns the path of the guest of a name below root.
func (a *augFiles) path(name string) string { return a.guest + "/" + name }

// copyIn makes the copies what the files of the guest that match patterns now are. Its
// errors name the file.
func (a *augFiles) copyIn(ctx context.Context, patterns []string) error {
	if !a.s.mounted() {
		patterns = nil
	}
	names, err := a.match(ctx, patterns)
	if err != nil {
		return err
	}
	// What was copied before is looked at again too: there may be fewer patterns now.
	for name := range a.copies {
		names[name] = true
	}
	var total int64
	a.skipped = map[string]string{}
	now := map[string]augCopy{}
	for name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c, err := a.copy(name)
		if err != nil {
			return perror(err, "%s", a.path(name))
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
		if total += c.size; total > maxAugTotal || len(now) > maxAugFiles {
			return errAugTotal
		}
	}
	a.copies = now
	return nil
}

// match returns the names of what there is for patterns, and makes their directories.
func (a *augFiles) match(ctx context.Context, patterns []string) (map[string]bool, error) {
	// Most lenses are for what a guest has not: directories that are not there are asked
	// for once.
	names, dirs := map[string]bool{}, map[string]bool{}
	for _, pattern := range patterns {
		pattern = path.Clean("/" + pattern)
		dir := path.Dir(pattern)
		if _, known := dirs[dir]; !known {
			found, err := a.s.glob(ctx, augEscape(a.guest)+dir+"/")
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
		found, err := a.s.glob(ctx, augEscape(a.guest)+pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if name := strings.Trim(p[len(a.guest):], "/"); name != "" {
				names[name] = true
			}
		}
		if len(names) > maxAugFiles {
			return nil, errAugTotal
		}
	}
	return names, nil
}

// augEscape makes a pattern of a path that only it matches.
func augEscape(p string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
}

// mkdir makes a directory and those above it, if they are not there.
func (a *augFiles) mkdir(name string) error {
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

func (a *augFiles) chown(name string) error {
	if a.owner == nil {
		return nil
	}
	return a.root.Lchown(name, int(a.owner.Uid), int(a.owner.Gid))
}

// skip keeps in mind that there is something that must stay as it is.
func (a *augFiles) skip(name, why string) {
	a.skipped[name] = why
	a.s.logf("augeas: %s: %s", a.path(name), why)
}

// copy makes the copy of a file, and returns nil if it is to have none.
func (a *augFiles) copy(name string) (*augCopy, error) {
	if !a.s.mounted() {
		return nil, nil
	}
	f, st, err := a.open(name, unix.O_RDONLY, 0)
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return nil, nil
	case err == unix.ELOOP || err == unix.ENXIO || err == unix.EACCES:
		a.skip(name, err.Error())
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer f.close()
	if fileType(&st) != unix.S_IFREG {
		if fileType(&st) != unix.S_IFDIR {
			a.skip(name, "it is no regular file")
			return nil, nil
		}
		a.skip(name, "it is a directory")
		return nil, a.mkdir(name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAugFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAugFile {
		a.skip(name, fmt.Sprintf("it has more than %d bytes", maxAugFile))
		return nil, nil
	}
	c := augCopyOf(data)
	// Augeas reads a file again if its time, in seconds, is another one.
	mtime := time.Unix(st.Mtime.Sec, 0)
	if old, err := a.root.Lstat(name); err == nil && old.Mode().IsRegular() {
		if a.copies[name] == c {
			if here, err := a.read(name); err == nil && augCopyOf(here) == c {
				return &c, nil
			}
		}
		if old.ModTime().Unix() == mtime.Unix() {
			mtime = mtime.Add(time.Second)
		}
	}
	return &c, a.write(name, data, mtime)
}

// open opens a file of the guest: it is none of our devices, whatever it is called.
func (a *augFiles) open(name string, flags int, perm uint32) (*handle, unix.Statx_t, error) {
	v := a.s.view()
	fd, err := v.Open(a.path(name), flags|openFlags, perm)
	if err != nil {
		return nil, unix.Statx_t{}, err
	}
	h := &handle{v: v, fd: fd, path: a.path(name)}
	st, err := h.stat()
	if err != nil {
		h.close()
		return nil, st, err
	}
	return h, st, nil
}

// write makes a copy, a new file each time: what augtool has made of the old one is no
// matter.
func (a *augFiles) write(name string, data []byte, mtime time.Time) error {
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
func (a *augFiles) read(name string) ([]byte, error) {
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
	data, err := io.ReadAll(io.LimitReader(f, maxAugFile+1))
	if err == nil && len(data) > maxAugFile {
		err = unix.EFBIG
	}
	return data, err
}

// list returns the names of all regular files that there are.
func (a *augFiles) list() (names []string, err error) {
	err = fs.WalkDir(a.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if names = append(names, name); len(names) > 2*maxAugFiles {
				err = errAugTotal
			}
		}
		return err
	})
	return names, err
}

// Augeas keeps the old file under a name, or writes the new one under another, beside it.
const (
	augSaved = ".augsave"
	augNew   = ".augnew"
)

// copyOut writes to the guest what has changed. It goes on after an error, and returns
// the first, which names the file.
func (a *augFiles) copyOut(ctx context.Context) error {
	names, err := a.list()
	if err != nil {
		return err
	}
	// The old ones first.
	slices.SortStableFunc(names, func(x, y string) int {
		switch sx, sy := filepath.Ext(x) == augSaved, filepath.Ext(y) == augSaved; {
		case sx && !sy:
			return -1
		case sy && !sx:
			return 1
		}
		return strings.Compare(x, y)
	})
	var first error
	fail := func(name string, err error) {
		if err != nil && first == nil {
			first = perror(err, "%s", a.path(name))
		}
	}
	for _, name := range names {
		fail(name, a.putOut(name))
	}
	for name := range a.copies {
		if _, err := a.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			if err := a.remove(name); err != nil && err != unix.ENOENT {
				fail(name, err)
				continue
			}
			delete(a.copies, name)
		}
	}
	return first
}

// remove removes a file of the guest. As Augeas does it, a link to it stays.
func (a *augFiles) remove(name string) error {
	if !a.s.mounted() {
		return errAugUnmounted
	}
	p, err := a.s.realpath(a.path(name))
	if err != nil {
		return err
	}
	return a.s.view().Unlinkat(cwd, p, 0)
}

// errAugUnmounted is the error of a save after umount: a handle outlives that.
var errAugUnmounted = errors.New("nothing is mounted any more")

// putOut writes a file to the guest, if it has changed.
func (a *augFiles) putOut(name string) error {
	data, err := a.read(name)
	if err != nil {
		return err
	}
	now := augCopyOf(data)
	was, copied := a.copies[name]
	if copied && was == now {
		return nil
	}
	if !a.s.mounted() {
		return errAugUnmounted
	}
	if why, ok := a.skipped[name]; ok {
		return errors.New("it cannot be written: " + why)
	}
	switch {
	case copied || a.beside(name) != "" && a.is(name, unix.S_IFREG):
		err = a.overwrite(name, data)
	case a.is(name, unix.S_IFLNK) && a.dangles(name):
		// As Augeas does it, a file takes the place of a link that leads nowhere.
		if err = a.s.view().Unlinkat(cwd, a.path(name), 0); err != nil {
			break
		}
		fallthrough
	default:
		err = a.create(name, data)
	}
	if err == nil {
		a.copies[name] = now
	}
	return err
}

// beside returns the file of which one is the old or the new version, or "".
func (a *augFiles) beside(name string) string {
	switch filepath.Ext(name) {
	case augSaved, augNew:
		return name[:len(name)-len(filepath.Ext(name))]
	}
	return ""
}

// is reports whether there is something of a type in the guest.
func (a *augFiles) is(name string, fmt uint16) bool {
	st, err := a.s.lstat(a.path(name))
	return err == nil && fileType(&st) == fmt
}

// dangles reports whether a link leads to nothing.
func (a *augFiles) dangles(name string) bool {
	_, err := a.s.stat(a.path(name))
	return err == unix.ENOENT
}

// overwrite writes to a file of the guest. It stays the same one, with its owner, mode
// and attributes.
func (a *augFiles) overwrite(name string, data []byte) error {
	h, st, err := a.open(name, unix.O_WRONLY|unix.O_CREAT, a.s.createPerm())
	if err != nil {
		return err
	}
	if fileType(&st) != unix.S_IFREG {
		err = unix.EEXIST
	}
	if err == nil {
		err = h.replace(data)
	}
	if cerr := h.close(); err == nil {
		err = cerr
	}
	return err
}

// create makes a file of the guest. What is there stays as it is.
func (a *augFiles) create(name string, data []byte) error {
	perm, owner := a.s.createPerm(), [2]int{-1, -1}
	if base := a.beside(name); base != "" {
		if st, err := a.s.stat(a.path(base)); err == nil {
			perm, owner = uint32(st.Mode)&0o7777, [2]int{int(st.Uid), int(st.Gid)}
		}
	}
	h, _, err := a.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = h.WriteAt(data, 0)
	if err == nil && owner[0] >= 0 {
		err = h.v.Fchown(h.fd, owner[0], owner[1])
	}
	if err == nil {
		err = h.v.Fchmod(h.fd, perm)
	}
	if cerr := h.close(); err == nil {
		err = cerr
	}
	if err != nil {
		a.s.view().Unlinkat(cwd, a.path(name), 0)
	}
	return err
}
