package unboot_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testvol"
)

// A writtenSet is a fixture's disks after a test has written to them.
type writtenSet struct {
	disks []string
	// sums are those of the file "new", by the nodes of the fixture's record.
	sums map[string]string
}

// notWritten says why nothing can be written to some of the fixtures' file systems.
var notWritten = map[string]error{
	"/dev/vgt/ext":     unix.EROFS,         // external origin of thin volumes
	"/dev/my-vg.x/ro":  unix.EROFS,         // by LVM's permissions
	"/dev/vgx/lv":      unboot.ErrNotFound, // exported
	"/dev/vgp/gone":    unboot.ErrNotFound,
	"/dev/vgp/striped": unboot.ErrNotFound,
	"/dev/vgp/both":    unboot.ErrNotFound,
}

// cannotWrite are the fixtures of kinds that are never written to, and those that have other
// tests: TestLUKSIntegrity, TestIntegrity.
var cannotWrite = []string{"verity", "luks2-reencrypt", "luks2-hmac", "integrity-hmac", "bcache"}

// unknownToTools are those that the tools do not find by themselves, or not by a passphrase.
var unknownToTools = []string{"integrity", "crypt-plain", "luks2-keyfile", "luks2-detached"}

// odd are sizes of files, in bytes, that fit into nothing.
var odd = []int{1, 511, 513, 4095, 4097, 70001, 123457}

// writeOdd writes files of odd sizes to a file system, syncs each, and returns the sum of
// the last, which is called "new".
func writeOdd(fs *unboot.FS, seed uint64) (string, error) {
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	var sum string
	for i, n := range odd {
		data := make([]byte, n)
		rng.Read(data)
		name := "odd" // again and again: the smallest of them have room for few inodes
		if i == len(odd)-1 {
			name = "new"
		}
		f, err := fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return "", err
		}
		// Two pieces, the second first: what lies between them is a hole for a while.
		half := n / 2
		_, err = f.WriteAt(data[half:], int64(half))
		if err == nil {
			_, err = f.WriteAt(data[:half], 0)
		}
		if err = errors.Join(err, f.Sync()); err == nil {
			got := make([]byte, n)
			if _, err = f.ReadAt(got, 0); err == io.EOF {
				err = nil
			}
			if err == nil && !bytes.Equal(got, data) {
				err = fmt.Errorf("%s: other bytes are read than were written", name)
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
		sum = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return sum, nil
}

// nodeOf returns the device of a line of the record, in an image, or nil.
func nodeOf(img *unboot.Image, c testvol.Content) *unboot.Device {
	node, number, partition := strings.Cut(c.Node, ":")
	d, err := img.Device(node)
	if err != nil {
		if i := slices.IndexFunc(img.Devices(), func(d *unboot.Device) bool { return node == "btrfs" && d.Content != nil && d.Content.Type == node }); i >= 0 {
			return img.Devices()[i]
		}
		if d = renamed(img, c.Hello); d == nil {
			return nil
		}
	}
	if partition {
		i := slices.IndexFunc(d.Children(), func(o *unboot.Device) bool { return o.Partition != nil && fmt.Sprint(o.Partition.Number) == number })
		if i < 0 {
			return nil
		}
		d = d.Children()[i]
	}
	return d
}

// writeFixture writes to all file systems of a fixture.
func writeFixture(t *testing.T, name string) writtenSet {
	t.Helper()
	w := writtenSet{testvol.Writable(t, name), map[string]string{}}
	img := openFixture(t, name, w.disks, unboot.Writable())
	for i, c := range testvol.Contents(t, name) {
		d := nodeOf(img, c)
		want := notWritten[c.Node]
		if d == nil {
			if !errors.Is(want, unboot.ErrNotFound) {
				t.Errorf("%s is not there\n%s", c.Node, describe(img))
			}
			continue
		}
		fs, err := img.Mount(d.Name)
		if err != nil {
			t.Errorf("%s: %v", c.Node, err)
			continue
		}
		if fs.ReadOnly() != errors.Is(want, unix.EROFS) {
			t.Errorf("%s: only for reading: %t", c.Node, fs.ReadOnly())
		}
		if fs.ReadOnly() {
			// Nothing can be written to it.
		} else if strings.Contains(c.Node, "snap") && name == "lvm-snapshot" {
			// It has little room.
		} else if w.sums[c.Node], err = writeOdd(fs, uint64(i)); err != nil {
			t.Errorf("%s: %v", c.Node, err)
		}
		if err := fs.Unmount(); err != nil {
			t.Errorf("%s: %v", c.Node, err)
		}
	}
	if err := img.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return w
}

// otherSubvolume is the fixture whose mount shows another subvolume than that which was recorded.
const otherSubvolume = "btrfs-raid0"

// checkWritten opens the disks again: what was written is there, and what was there before.
func checkWritten(t *testing.T, name string, w writtenSet) {
	t.Helper()
	img := openFixture(t, name, w.disks)
	for _, c := range testvol.Contents(t, name) {
		d := nodeOf(img, c)
		if d == nil {
			continue
		}
		fs, err := img.Mount(d.Name, unboot.ReadOnly())
		if err != nil {
			t.Errorf("%s: %v", c.Node, err)
			continue
		}
		data, err := fs.ReadFile("data")
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); name != otherSubvolume && (err != nil || sum != c.SHA256) {
			t.Errorf("%s: data has the sum %s, %v", c.Node, sum, err)
		}
		if want := w.sums[c.Node]; want != "" {
			data, err := fs.ReadFile("new")
			if sum := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || sum != want {
				t.Errorf("%s: new has the sum %s and should have %s, %v", c.Node, sum, want, err)
			}
		}
		if err := fs.Unmount(); err != nil {
			t.Errorf("%s: %v", c.Node, err)
		}
	}
	if err := img.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// writableFixtures returns the fixtures that can be written to.
func writableFixtures() (list []string) {
	for _, name := range testvol.Names() {
		if !slices.ContainsFunc(cannotWrite, func(s string) bool { return strings.HasPrefix(name, s) }) {
			list = append(list, name)
		}
	}
	return list
}

// TestWritten writes to the volumes of all fixtures.
func TestWritten(t *testing.T) {
	for _, name := range writableFixtures() {
		t.Run(name, func(t *testing.T) { checkWritten(t, name, writeFixture(t, name)) })
	}
}

// fixtureKeys are the passphrases of encrypted volumes, for the tools.
var fixtureKeys = map[string]map[string]string{
	"luks":              {"/dev/sda": "secret"},
	"stack-luks-on-lvm": {"/dev/vg/secret": "secret"},
	"stack-lvm-on-luks": {"/dev/sda2": "secret"},
	"stack-md-luks-lvm": {"/dev/md/deep": "secret"},
}

// TestWrittenForTools has the real tools look at what was written to all fixtures: they find
// the same files, and nothing wrong.
func TestWrittenForTools(t *testing.T) {
	testvol.NeedAppliance(t)
	var sets []testvol.Set
	written := map[string]writtenSet{}
	for _, name := range writableFixtures() {
		if slices.ContainsFunc(unknownToTools, func(s string) bool { return strings.HasPrefix(name, s) }) {
			continue
		}
		set := testvol.Set{Name: name}
		for prefix, keys := range fixtureKeys {
			if strings.HasPrefix(name, prefix) {
				set.Keys = keys
			}
		}
		if name == "luks2-slots" {
			set.Keys = map[string]string{"/dev/sda": "second"}
		}
		written[name] = writeFixture(t, name)
		set.Disks = written[name].disks
		sets = append(sets, set)
	}
	for name, r := range testvol.Verify(t, sets...) {
		for _, c := range testvol.Contents(t, name) {
			sum := written[name].sums[c.Node]
			if sum == "" {
				continue
			}
			// By its content: where the tools have a volume depends on the machine.
			i := slices.IndexFunc(r.Volumes, func(v testvol.Verified) bool {
				return v.Files["new"] == sum && (name == otherSubvolume || v.Files["data"] == c.SHA256)
			})
			if i < 0 {
				t.Errorf("%s: %s was not found: %+v", name, c.Node, r.Volumes)
			} else if v := r.Volumes[i]; v.Fsck != "0" {
				t.Errorf("%s: %+v\n%s", name, v, r.Record["checks.txt"])
			}
		}
		checkTools(t, name, r)
	}
}

// checkTools reads what the tools of LVM and MD say.
func checkTools(t *testing.T, name string, r *testvol.Report) {
	t.Helper()
	if vgck := r.Record["vgck.txt"]; vgck != "" && !strings.HasSuffix(vgck, "exit status 0\n") && name != "lvm-partial" {
		t.Errorf("%s: vgck: %s", name, vgck)
	}
	for line := range strings.Lines(r.Record["health.txt"]) {
		for _, word := range strings.Fields(line)[1:] {
			if word != "0" && name != "lvm-partial" {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
	for line := range strings.Lines(r.Record["examine.txt"]) {
		if strings.Contains(line, "Checksum :") && !strings.Contains(line, "correct") {
			t.Errorf("%s: %s", name, line)
		}
	}
}
