package guestfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/unboot/unboot/volume/probe"
)

// appliance is what a virtual machine is started with.
type appliance struct {
	kernel, initrd string
	root           string // image of the root file system, or "" if it is in initrd
}

// findAppliance looks along the search path for an appliance, in the order of guestfs(3):
// what supermin(1) makes one of, a fixed one, one of old.
func (g *Guestfs) findAppliance() (*appliance, error) {
	path := get(g, &g.settings.path)
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		old := appliance{
			kernel: filepath.Join(dir, "vmlinuz."+cpu()), initrd: filepath.Join(dir, "initramfs."+cpu()+".img"),
		}
		fixed := appliance{filepath.Join(dir, "kernel"), filepath.Join(dir, "initrd"), filepath.Join(dir, "root")}
		supermin := filepath.Join(dir, "supermin.d")
		switch {
		case exist(filepath.Join(supermin, "base.tar.gz"), filepath.Join(supermin, "packages")):
			return g.buildAppliance(supermin)
		case exist(fixed.kernel, fixed.initrd, fixed.root):
			return &fixed, nil
		case exist(old.kernel, old.initrd):
			return &old, nil
		}
	}
	return nil, errorf(syscall.ENOENT, "no appliance of libguestfs in %s: set the path, or use backend \"unboot\", which needs none", path)
}

func exist(names ...string) bool {
	for _, name := range names {
		if _, err := os.Stat(name); err != nil {
			return false
		}
	}
	return true
}

// buildAppliance has supermin(1) make an appliance, or find the one that it has made.
func (g *Guestfs) buildAppliance(supermin string) (*appliance, error) {
	cache, _ := g.getCachedir()
	cache = filepath.Join(cache, fmt.Sprintf(".guestfs-%d", os.Geteuid()))
	if err := os.Mkdir(cache, 0o755); err != nil && !os.IsExist(err) {
		return nil, pathError(err)
	}
	st, err := os.Lstat(cache)
	if err != nil {
		return nil, pathError(err)
	}
	if owner, ok := st.Sys().(*syscall.Stat_t); !ok || !st.IsDir() || int(owner.Uid) != os.Geteuid() || st.Mode().Perm()&0o022 != 0 {
		return nil, errorf(syscall.EPERM, "%s is not a directory of this user alone", cache)
	}
	out := filepath.Join(cache, "appliance.d")
	cmd := exec.Command("supermin", "--build", "--if-newer", "--lock", filepath.Join(cache, "lock"),
		"-f", "ext2", "--copy-kernel", "--host-cpu", cpu(), supermin, "-o", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, errorf(0, "supermin: %s: %v", strings.TrimSpace(string(text)), err)
	}
	return &appliance{filepath.Join(out, "kernel"), filepath.Join(out, "initrd"), filepath.Join(out, "root")}, nil
}

// rootUUID returns the UUID of a file system, by which the kernel finds its root.
func rootUUID(image string) (string, error) {
	f, err := os.Open(image)
	if err != nil {
		return "", pathError(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", pathError(err)
	}
	info, err := probe.Probe(f, st.Size())
	switch {
	case err != nil:
		return "", perror(err, "%s", image)
	case info.UUID == "":
		return "", errorf(syscall.EINVAL, "%s is not a file system with a UUID", image)
	}
	return info.UUID, nil
}
