package unboot

import (
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// resolvConfPath is resolv.conf(5), from the root of a guest.
const resolvConfPath = "/etc/resolv.conf"

// network connects the image, if it has a network, and has the command see the network's
// resolv.conf. run is a mount of the command's own /run, or -1.
func (c *Cmd) network(m *cmdMounts, run int) error {
	if err := c.img.connect(); err != nil || c.img.network == nil || c.f == nil {
		return err
	}
	content := c.img.network.ResolvConf()
	p, err := followLinks(c.f.view, resolvConfPath)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(p, "/run/"); ok && run >= 0 {
		return putFile(m.k, run, rest, content)
	}
	if ok, err := c.placeFor(m, p); !ok || err != nil {
		return err
	}
	fd, release, err := fileMount(m.k, content)
	m.release = append(m.release, release)
	return m.add(p, true, fd, err)
}

// maxLinks is how many symbolic links a path may lead through, as for the kernel.
const maxLinks = 40

// followLinks returns a path without symbolic links, whether or not there is such a file. Links
// stay inside the view.
func followLinks(v *lkl.View, p string) (string, error) {
	at, links := "/", 0
	rest := strings.Split(p, "/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, name)
		target, err := v.Readlink(unix.AT_FDCWD, next)
		switch {
		case err == unix.EINVAL, err == unix.ENOENT, err == unix.ENOTDIR:
			at = next
			continue
		case err != nil:
			return "", err
		}
		if links++; links > maxLinks {
			return "", unix.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, nil
}

// placeFor reports whether a path of the command's tree is a file that another can be mounted
// on. If there is nothing, and the tree can be written to, one is made until the command has
// ended.
func (c *Cmd) placeFor(m *cmdMounts, p string) (bool, error) {
	n, v := c.img.network, c.f.view
	key := madeFile{c.f.t, path.Join("/", c.f.name, p)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made[key] == 0 {
		var st unix.Statx_t
		err := v.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st)
		if err == nil {
			return st.Mode&unix.S_IFMT == unix.S_IFREG, nil
		}
		fd, err := v.Open(p, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err != nil {
			// There is no such directory, or nothing can be written: then the program has no
			// name servers, as it would elsewhere.
			return false, c.kernel().Err()
		}
		c.kernel().CloseFd(fd)
		if n.made == nil {
			n.made = map[madeFile]int{}
		}
	}
	n.made[key]++
	m.release = append(m.release, func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.made[key]--; n.made[key] > 0 {
			return nil
		}
		delete(n.made, key)
		var st unix.Statx_t
		if v.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_SIZE, &st) == nil &&
			st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 {
			v.Unlinkat(unix.AT_FDCWD, p, 0)
		}
		return nil
	})
	return true, nil
}

// putFile makes a file, and the directories that it is in, below a directory that nobody
// else has yet.
func putFile(k *lkl.Kernel, dir int, name string, content []byte) error {
	for i, c := range name {
		if c == '/' {
			if err := k.Mkdirat(dir, name[:i], 0o755); err != nil && err != unix.EEXIST {
				return err
			}
		}
	}
	fd, err := k.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer k.CloseFd(fd)
	_, err = k.Write(fd, content)
	return err
}

// mountedFiles numbers the names of files that are mounted.
var mountedFiles atomic.Uint64

// fileMount returns a descriptor of a mount of a file that has no place in a tree. release
// removes it, after the mount has been attached: without a name it could not be.
func fileMount(k *lkl.Kernel, content []byte) (fd int, release func() error, err error) {
	// In the kernel's own root, which is memory: a mount that is attached nowhere can have
	// no copies.
	name := "file-" + strconv.FormatUint(mountedFiles.Add(1), 10)
	release = func() error {
		k.Unlinkat(unix.AT_FDCWD, "/"+name, 0)
		return nil
	}
	root, err := k.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, release, err
	}
	defer k.CloseFd(root)
	if err := putFile(k, root, name, content); err != nil {
		return -1, release, err
	}
	fd, err = k.OpenTree(root, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	return fd, release, err
}
