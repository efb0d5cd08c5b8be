package testimg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// HostHas reports whether the host's kernel has the file system driver.
func HostHas(fstype string) bool {
	list, err := os.ReadFile("/proc/filesystems")
	return err == nil && slices.Contains(strings.Fields(string(list)), fstype)
}

// Loop mounts an image with the host kernel's own driver over a loop device and
// returns the mount point. It is unmounted when the test ends. Opts are mount
// options, comma-separated: "ro", "offset=1048576,sizelimit=…", "". Without root,
// or where the host lacks the driver, the test is skipped.
func Loop(t testing.TB, image, fstype, opts string) string {
	t.Helper()
	NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	umount, err := loopMount(image, fstype, opts, dir)
	check(t, err)
	t.Cleanup(func() {
		if err := umount(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// loopMount mounts an image on a directory.
func loopMount(image, fstype, opts, dir string) (umount func() error, err error) {
	if !HostHas(fstype) {
		return nil, &Missing{"the host's " + fstype + " driver"}
	}
	options := "loop"
	if fstype == "xfs" {
		options += ",nouuid" // copies of one image have the same UUID
	}
	if opts != "" {
		options += "," + opts
	}
	if _, err := Run("mount", "-t", fstype, "-o", options, image, dir); err != nil {
		return nil, err
	}
	return func() error {
		// Somebody who looks around (an indexer, a colleague's find) may
		// hold it for a moment.
		for try := 0; ; try++ {
			_, err := Run("umount", dir)
			if err == nil || try == 20 {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}, nil
}

// checkers are the programs that find fault with file systems. Their exit status
// is 0 if all is well.
var checkers = map[string][]string{
	"ext2":     {"e2fsck", "-f", "-n"},
	"ext3":     {"e2fsck", "-f", "-n"},
	"ext4":     {"e2fsck", "-f", "-n"},
	"xfs":      {"xfs_repair", "-n", "-f"},
	"btrfs":    {"btrfs", "check", "--readonly"},
	"f2fs":     {"fsck.f2fs", "-f", "--dry-run"},
	"vfat":     {"fsck.vfat", "-n", "-v"},
	"exfat":    {"fsck.exfat", "-n"},
	"ntfs":     {"ntfsfix", "-n"},
	"minix":    {"fsck.minix", "-f"},
	"jfs":      {"fsck.jfs", "-n", "-f"},
	"erofs":    {"fsck.erofs"},
	"cramfs":   {"fsck.cramfs"},
	"squashfs": {"unsquashfs", "-lls"},
	"reiserfs": {"reiserfsck", "--check", "-y"},
}

// checkersWrite are the checkers that note in the superblock that they were here,
// in spite of their options. They get a copy.
var checkersWrite = map[string]bool{"jfs": true, "reiserfs": true}

// complaints are what a checker writes when it finds something wrong and exits
// with 0 all the same.
var complaints = map[string][]string{
	"f2fs": {"[FAIL]", "[Fail]", "[ASSERT]", "[FIX]"},
	"vfat": {"Dirty bit is set", "differences between boot sector"},
	"ntfs": {"corrupt", "unclean", "FAILED"},
}

// Fsck runs the outside checker for the type on an image of a whole file system
// and fails the test if it complains. See [Extract] for partitions. Without the
// checker the test is skipped.
func Fsck(t testing.TB, fstype, image string) {
	t.Helper()
	out, err := FsckOutput(fstype, image)
	if err != nil {
		check(t, fmt.Errorf("%s is not clean: %w\n%s", image, err, out))
	}
}

// FsckOutput is [Fsck] for tests that expect complaints: it returns what the
// checker wrote, and an error if it complained. The error is a [*Missing] if there
// is no checker.
func FsckOutput(fstype, image string) (string, error) {
	switch fstype {
	case "fat12", "fat16", "fat32":
		fstype = "vfat"
	}
	argv := checkers[fstype]
	if argv == nil {
		return "", &Missing{"a checker for " + fstype}
	}
	path, err := Tool(argv[0])
	if err != nil {
		return "", err
	}
	if checkersWrite[fstype] {
		work, remove, err := scratch()
		if err != nil {
			return "", err
		}
		defer remove()
		private := filepath.Join(work, "image")
		if err := Copy(image, private); err != nil {
			return "", err
		}
		image = private
	}
	cmd := exec.Command(path, append(argv[1:], image)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", argv[0], err)
	}
	for _, c := range complaints[fstype] {
		if strings.Contains(string(out), c) {
			return string(out), fmt.Errorf("%s: %s", argv[0], c)
		}
	}
	return string(out), nil
}
