package appliance

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

const mib = 1 << 20

// A disk is an image with partitions in the making.
type disk struct {
	t    testing.TB
	path string
}

// newDisk makes an image with a partition table: a script of sfdisk.
func newDisk(t testing.TB, path string, size int64, script string) disk {
	t.Helper()
	testimg.Need(t, "sfdisk")
	blank(t, path, size)
	cmd := exec.Command("sfdisk", "-q", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return disk{t, path}
}

// format makes a file system at a place that is given in MiB.
func (d disk) format(start, size int64, mkfs ...string) {
	d.t.Helper()
	part := d.path + ".part"
	blank(d.t, part, size*mib)
	testimg.MustRun(d.t, mkfs[0], append(mkfs[1:], part)...)
	d.insert(part, start)
}

// insert moves a file of a file system to its place.
func (d disk) insert(part string, start int64) {
	d.t.Helper()
	testimg.MustRun(d.t, "dd", "if="+part, "of="+d.path, "bs=1M", fmt.Sprint("seek=", start), "conv=notrunc,sparse", "status=none")
	check(d.t, os.Remove(part))
}

// serial writes the serial number of an NTFS, which mkntfs has no option for. The place
// is given in MiB.
func (d disk) serial(start, size int64, number uint64) {
	d.t.Helper()
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	check(d.t, err)
	defer f.Close()
	// In the boot sector, and in its copy in the last one.
	for _, sector := range []int64{start * mib, (start+size)*mib - 512} {
		_, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, number), sector+0x48)
		check(d.t, err)
	}
}

// recipes are the images that a session can start with.
var recipes = map[string]func(t testing.TB, path string){
	"debian":              makeDebian,
	"ubuntu":              makeUbuntu,
	"fedora":              makeFedora,
	"windows":             makeWindows,
	"blank":               func(t testing.TB, path string) { blank(t, path, 64*mib) },
	"debian-ext4":         realDebian("ext4"),
	"debian-xfs":          realDebian("xfs"),
	"debian-btrfs-subvol": realDebian("btrfs-subvol"),
}

// realDebian is a whole Debian, see package testimg.
func realDebian(kind string) func(testing.TB, string) {
	return func(t testing.TB, path string) { check(t, os.Symlink(testimg.Debian(t, kind), path)) }
}

// shelf holds the images that were made by this run of the tests.
type shelf struct {
	dir string

	mu  sync.Mutex
	all map[string]string // guarded by mu
}

// get returns the host path of an image that all sessions share.
func (s *shelf) get(t testing.TB, name string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if path := s.all[name]; path != "" {
		return path
	}
	recipe := recipes[name]
	if recipe == nil {
		t.Fatalf("no recipe for an image %q", name)
	}
	path := filepath.Join(s.dir, name+".img")
	recipe(t, path)
	if s.all == nil {
		s.all = map[string]string{}
	}
	s.all[name] = path
	return path
}
