package matrix

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// onHost mounts an image with the host's driver, calls do with the directory
// and unmounts it. It returns a *testimg.Missing if the host lacks the driver,
// or refuses the mount.
func onHost(t *testing.T, image, driver, options string, do func(dir string)) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return &testimg.Missing{What: "root"}
	}
	if !testimg.HostHas(driver) {
		return &testimg.Missing{What: "the host's " + driver + " driver"}
	}
	dir := t.TempDir()
	all := "loop"
	if driver == "xfs" {
		all += ",nouuid"
	}
	if options != "" {
		all += "," + options
	}
	if out, err := testimg.Run("mount", "-t", driver, "-o", all, image, dir); err != nil {
		t.Logf("the host does not mount it: %v %s", err, out)
		return &testimg.Missing{What: "a host that mounts this"}
	}
	do(dir)
	unmount(t, dir)
	return nil
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	var err error
	for range 40 {
		if err = unix.Unmount(dir, 0); err != unix.EBUSY {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("unmount %s: %v", dir, err)
	}
}

// byFUSE mounts an image with a program that brings a driver of its own: GRUB's
// for most types, ntfs-3g. They are not the kernel's code, so they may notice
// what two kernels agree on.
func byFUSE(t *testing.T, image string, argv []string, do func(dir string)) error {
	t.Helper()
	if os.Geteuid() != 0 {
		return &testimg.Missing{What: "root"}
	}
	if unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil {
		return &testimg.Missing{What: "/dev/fuse"}
	}
	program, err := testimg.Tool(argv[0])
	if err != nil {
		return err
	}
	dir := t.TempDir()
	cmd := exec.Command(program, append(argv[1:], image, dir)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v %s", argv[0], err, out)
		return &testimg.Missing{What: "a " + argv[0] + " that mounts this"}
	}
	mounted := func() bool {
		var here, above unix.Stat_t
		return unix.Stat(dir, &here) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
	}
	for range 100 {
		if mounted() {
			do(dir)
			unmount(t, dir)
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New(argv[0] + " mounted nothing")
}

// lenient leaves out names that cannot be looked at: GRUB follows links.
type lenient struct{ theirs }

func (l lenient) list(dir string, each func(name string, st *unix.Statx_t)) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if st, err := l.stat(dir + "/" + e.Name()); err == nil {
			each(e.Name(), &st)
		}
	}
	return err
}

// grub is the lens for drivers that know little but content.
func grub(_ string, n *node) {
	c := node{Mode: n.Mode & unix.S_IFMT, Size: n.Size, Hash: n.Hash}
	if c.Mode == unix.S_IFLNK {
		c.Size = 0
	}
	*n = c
}

// without returns the tree without what is under names.
func (t tree) without(names ...string) tree {
	out := tree{}
	for p, n := range t {
		keep := true
		for _, name := range names {
			keep = keep && p != name && (len(p) <= len(name) || p[:len(name)+1] != name+"/")
		}
		if keep {
			out[p] = n
		}
	}
	return out
}
