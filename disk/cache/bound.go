package cache

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A bound keeps the files of a folder below a size, all together.
type bound struct {
	dir  string
	own  string // the base of the names of those in use here
	most int64  // bytes; 0 for any number
	left int64  // until the folder has to be looked at again
}

// A kept is what a folder has of an image.
type kept struct {
	base string
	size int64 // on the host's disk, in bytes
	used time.Time
}

// spend takes bytes for what is about to be kept, and reports whether there is room for them.
func (b *bound) spend(n int64) bool {
	if b.most == 0 {
		return true
	}
	if b.left -= n; b.left < 0 {
		b.enforce(n)
		b.left -= n
	}
	return b.left >= 0
}

// enforce removes what was not used for the longest time, until there is room for n bytes, but
// not what is in use here. Other programs go on with the files that they have open.
func (b *bound) enforce(n int64) {
	if b.most == 0 {
		return
	}
	sum := int64(0)
	list := b.list()
	for _, k := range list {
		sum += k.size
	}
	for _, k := range list {
		if sum+n <= b.most {
			break
		}
		if k.base != b.own && k.remove() {
			sum -= k.size
		}
	}
	b.left = b.most - sum
}

// list returns what the folder has, what was used last at the end.
func (b *bound) list() (list []kept) {
	names, _ := filepath.Glob(filepath.Join(b.dir, "*.blocks"))
	for _, name := range names {
		k := kept{base: strings.TrimSuffix(name, ".blocks")}
		if id := filepath.Base(k.base); len(id) != nameLength || strings.Trim(id, "0123456789abcdef") != "" {
			continue // not ours
		}
		for _, suffix := range []string{".blocks", ".map"} {
			var st unix.Stat_t
			if unix.Lstat(k.base+suffix, &st) == nil {
				k.size += st.Blocks * 512
			}
		}
		if st, err := os.Stat(k.base + ".lock"); err == nil {
			k.used = st.ModTime()
		}
		list = append(list, k)
	}
	slices.SortFunc(list, func(x, y kept) int { return x.used.Compare(y.used) })
	return list
}

// remove removes the files, unless another program is just opening them.
func (k *kept) remove() bool {
	lock, err := lockFile(k.base+".lock", unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return false
	}
	defer lock.Close()
	err = os.Remove(k.base + ".blocks")
	os.Remove(k.base + ".map")
	os.Remove(k.base + ".lock")
	return err == nil
}

// touch notes that files are used now.
func touch(base string) {
	now := time.Now()
	os.Chtimes(base+".lock", now, now)
}

// lockFile opens and locks a file that others may remove.
func lockFile(path string, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		for {
			if err = unix.Flock(int(f.Fd()), how); err != unix.EINTR {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		locked, err := f.Stat()
		if there, e := os.Lstat(path); err == nil && e == nil && os.SameFile(locked, there) {
			return f, nil
		}
		f.Close() // it was removed meanwhile
	}
}
