package toolroot

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/hostdir"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/lkl"
)

// top are the directories of the host that programs and their libraries are in. Where some of
// them are links to others, tools see links.
var top = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}

// A Host is what the tools of one kernel see of the host. What it serves is mounted at the
// first use, and shared by all that come later.
type Host struct {
	k *lkl.Kernel

	mu     sync.Mutex
	served bool              // guarded by mu, as the others
	links  map[string]string // of top, that are links
	dirs   []string          // of top, that are directories
	places map[string]string // where in the kernel's tree they are mounted
	files  []file
}

// A Mount is a part of a tool's root.
type Mount struct {
	Target string // an absolute path
	Fd     int    // of the kernel, as of open_tree(2) with OPEN_TREE_CLONE; the caller's
}

// New returns what tools on a kernel see. It does nothing until it is used.
func New(k *lkl.Kernel) *Host { return &Host{k: k} }

// look finds what the host has. It is called with mu held.
func (h *Host) look() {
	if h.links != nil {
		return
	}
	h.links, h.places = map[string]string{}, map[string]string{}
	for _, dir := range top {
		st, err := os.Lstat(dir)
		switch {
		case err != nil:
		case st.Mode()&fs.ModeSymlink != 0:
			if to, err := os.Readlink(dir); err == nil {
				h.links[dir] = to
			}
		case st.IsDir():
			h.dirs = append(h.dirs, dir)
		}
	}
}

// serve mounts the directories of the host beside each other in the kernel's tree, where they
// stay. It is called with mu held.
func (h *Host) serve() error {
	h.look()
	if h.served {
		return nil
	}
	const above = "/host"
	if err := h.k.Mkdirat(unix.AT_FDCWD, above, 0o700); err != nil && err != unix.EEXIST {
		return &fs.PathError{Op: "mkdir", Path: above, Err: err}
	}
	for _, dir := range h.dirs {
		if h.places[dir] != "" {
			continue
		}
		place := above + "/" + strings.ReplaceAll(dir[1:], "/", "-")
		if err := h.mount(dir, place); err != nil {
			return err
		}
		h.places[dir] = place
	}
	h.files = append(files(), h.choices()...)
	h.served = true
	return nil
}

func (h *Host) mount(dir, place string) error {
	d, err := hostdir.Open(dir, hostdir.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer d.Close()
	m, err := d.Mount(h.k)
	if err != nil {
		return err
	}
	defer h.k.CloseFd(m.Fd)
	if err := h.k.Mkdirat(unix.AT_FDCWD, place, 0o700); err != nil && err != unix.EEXIST {
		return &fs.PathError{Op: "mkdir", Path: place, Err: err}
	}
	if err := h.k.MoveMount(m.Fd, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "mount", Path: dir, Err: err}
	}
	return nil
}

// Furnish makes what tools need in a new and empty root, a directory of the kernel that dir is
// a descriptor of, and returns what is to be mounted there. The descriptors are the caller's
// even if there is an error. With a resolv.conf(5) that is not nil, tools have a network.
func (h *Host) Furnish(dir int, resolvConf []byte) ([]Mount, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.serve(); err != nil {
		return nil, err
	}
	folders, files := folders, h.files
	if resolvConf != nil {
		folders, files = slices.Concat(folders, networkFolders), slices.Concat(files, networkFiles(resolvConf))
	}
	if err := makeFiles(h.k, dir, folders, h.dirs, h.links, files); err != nil {
		return nil, err
	}
	var list []Mount
	for _, from := range h.dirs {
		fd, err := h.k.OpenTree(unix.AT_FDCWD, h.places[from], unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return list, &fs.PathError{Op: "open_tree", Path: from, Err: err}
		}
		list = append(list, Mount{from, fd})
	}
	return list, nil
}

// LookPath returns the path of a tool in its root, which is its host path: of a name without a
// slash, in the directories of path, separated by colons, and then in those where tools usually
// are. The error is an [*exec.Error], for a tool that the host does not have with a
// [*hosttool.MissingError].
func (h *Host) LookPath(name, dirs string) (string, error) {
	if name == "" || strings.Contains(name, "/") {
		return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.look()
	hidden := ""
	for _, dir := range append(strings.Split(dirs, ":"), hosttool.SearchPath...) {
		if !path.IsAbs(dir) {
			continue
		}
		full, err := exec.LookPath(path.Join(dir, name))
		if err != nil {
			continue
		}
		if full, ok := h.sees(full); ok {
			return full, nil
		}
		hidden = full
	}
	if hidden != "" {
		return "", &exec.Error{Name: name, Err: fmt.Errorf("tools of the host do not see %s: %w", hidden, exec.ErrNotFound)}
	}
	return "", &exec.Error{Name: name, Err: &hosttool.MissingError{Name: name}}
}

// sees returns the path by which tools see a program of the host. That is its own, unless a
// link of it leads through what they do not see, as those of Debian's alternatives do.
func (h *Host) sees(full string) (string, bool) {
	real, err := filepath.EvalSymlinks(full)
	if err != nil || !h.has(real) {
		return "", false
	}
	for at := full; at != real; {
		if !h.has(at) {
			return real, true
		}
		to, err := step(at)
		if err != nil {
			return real, true
		}
		at = to
	}
	return full, true
}

// step returns where a path leads when its first symbolic link is followed.
func step(full string) (string, error) {
	for i := 1; i <= len(full); i++ {
		if i < len(full) && full[i] != '/' {
			continue
		}
		to, err := os.Readlink(full[:i])
		if err != nil {
			continue
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(full[:i]), to)
		}
		return path.Join(to, full[i:]), nil
	}
	return "", fs.ErrNotExist
}

// has reports whether a path lies in what tools see of the host, or in a link to it.
func (h *Host) has(full string) bool {
	for _, dir := range h.dirs {
		if strings.HasPrefix(full, dir+"/") {
			return true
		}
	}
	for dir := range h.links {
		if strings.HasPrefix(full, dir+"/") {
			return true
		}
	}
	return false
}
