package guestfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/appliance"
)

// findAppliance looks along the search path for an appliance, in the order of guestfs(3):
// what supermin(1) makes one of, a fixed one, one of old.
func (g *Guestfs) findAppliance() (f appliance.Files, err error) {
	path := get(g, &g.settings.path)
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		supermin := filepath.Join(dir, "supermin.d")
		_, tar := os.Stat(filepath.Join(supermin, "base.tar.gz"))
		_, list := os.Stat(filepath.Join(supermin, "packages"))
		if tar == nil && list == nil {
			return g.buildAppliance(supermin)
		}
		for _, f := range []appliance.Files{appliance.In(dir), appliance.OldIn(dir)} {
			if f.Exist() {
				return f, nil
			}
		}
	}
	return f, errorf(syscall.ENOENT, "no appliance of libguestfs in %s: set the path, or use backend \"unboot\", which needs none", path)
}

// buildAppliance has supermin(1) make an appliance, or find the one that it has made.
func (g *Guestfs) buildAppliance(supermin string) (appliance.Files, error) {
	base, _ := g.getCachedir()
	cache, f := appliance.Cached(base)
	if err := os.Mkdir(cache, 0o755); err != nil && !os.IsExist(err) {
		return f, pathError(err)
	}
	st, err := os.Lstat(cache)
	if err != nil {
		return f, pathError(err)
	}
	if owner, ok := st.Sys().(*syscall.Stat_t); !ok || !st.IsDir() || int(owner.Uid) != os.Geteuid() || st.Mode().Perm()&0o022 != 0 {
		return f, errorf(syscall.EPERM, "%s is not a directory of this user alone", cache)
	}
	cmd := exec.Command("supermin", "--build", "--if-newer", "--lock", filepath.Join(cache, "lock"),
		"-f", "ext2", "--copy-kernel", "--host-cpu", appliance.CPU(), supermin, "-o", filepath.Dir(f.Kernel))
	if text, err := cmd.CombinedOutput(); err != nil {
		return f, errorf(0, "supermin: %s: %v", strings.TrimSpace(string(text)), err)
	}
	return f, nil
}
