package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

const cases = "../../../shared/cases"

// A fieldCase is what volumes.tsv says of one image or of one disk of several.
type fieldCase struct{ format, file, secret, shows, sums string }

// fieldCases reads the list, with disks that belong together under one name.
func fieldCases(t *testing.T) (names []string, groups map[string][]fieldCase) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(cases, "volumes.tsv"))
	if err != nil {
		t.Skip("not beside this checkout: ", err)
	}
	groups = map[string][]fieldCase{}
	for i, line := range strings.Split(string(data), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 || len(f) < 9 || f[1] == "" {
			continue // what has no file is in the sources of TestCryptsetupImages and others
		}
		c := fieldCase{f[0], f[1], f[5], f[6], f[8]}
		name := strings.TrimSuffix(c.file, ".xz")
		if windows := regexp.MustCompile(`ldm-\d+r2`).FindString(name); c.format == "ldm" && windows != "" {
			name = windows
		}
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], c)
	}
	return names, groups
}

// key returns the key of an image, if it has one, and whether it is known.
func (c *fieldCase) key() (list []volume.Key, ok bool) {
	for word := range strings.SplitSeq(c.secret, ", ") {
		kind, value, _ := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(word, "passphrase "):
			list = append(list, volume.Key{Kind: volume.Passphrase, Secret: []byte(strings.TrimPrefix(word, "passphrase "))})
		case kind == "PW":
			list = append(list, volume.Key{Kind: volume.Passphrase, Secret: []byte(value)})
		case kind == "RP":
			list = append(list, volume.Key{Kind: volume.Recovery, Secret: []byte(value)})
		case word != "" && kind != "CLEARKEY":
			return nil, false
		}
	}
	return list, true
}

// unpack returns the host path of the disk.
func (c *fieldCase) unpack(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	testimg.MustRun(t, "sh", "-c", "xz -dc "+filepath.Join(cases, "files", c.file)+" | cp --sparse=always /dev/stdin "+path)
	if strings.Contains(c.file, ".vhdx") {
		testimg.Need(t, "qemu-img")
		testimg.MustRun(t, "qemu-img", "convert", "-O", "raw", path, path+".raw")
		return path + ".raw"
	}
	return path
}

// TestFieldVolumes opens images of volumes from public repositories: each shows what its
// oracle has found in it.
func TestFieldVolumes(t *testing.T) {
	names, groups := fieldCases(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			testimg.Need(t, "xz")
			list := groups[name]
			keys, ok := list[0].key()
			if !ok {
				t.Skip("its key is not among the files: ", list[0].secret)
			}
			var disks []string
			for i := range list {
				disks = append(disks, list[i].unpack(t))
			}
			img, err := open(t, disks, keys...)
			rig.Check(t, "open", err)
			for i := range list {
				list[i].compare(t, img)
			}
			if t.Failed() {
				for _, d := range img.Devices() {
					t.Logf("%s %v %s %d %v %q", d.Name, d.Aliases, d.Kind, d.Size, d.Content, d.Problems)
				}
				for _, v := range img.Inactive() {
					t.Log("inactive: ", v.Nodes, v.Problems, v.Err)
				}
			}
		})
	}
}

// sized matches a volume with its size, as the list has it: of LVM and of dynamic disks.
var sized = regexp.MustCompile(`(?:LV|volume) (\S+) (\S+)(?: of \d+ disks,)? (\d+) bytes,?([^;|]*)`)

// compare holds an image against what the list says.
func (c *fieldCase) compare(t *testing.T, img *unboot.Image) {
	t.Helper()
	checked := 0
	for _, m := range sized.FindAllStringSubmatch(c.shows, -1) {
		if strings.Contains(m[4], "(hidden)") || m[2] == "thin-pool" {
			continue // nobody uses it by itself
		}
		checked++
		d := named(img, m[1])
		size, _ := strconv.ParseInt(m[3], 10, 64)
		if d == nil || d.Size != size {
			t.Errorf("%s of %d bytes is %v", m[1], size, d)
			continue
		}
		c.content(t, img, d, m[4])
	}
	if strings.HasPrefix(c.shows, "unlocks; an NTFS") {
		checked++
		found := false
		for _, d := range img.Devices() {
			found = found || d.Kind == unboot.KindCrypt && d.Content != nil && (d.Content.Type == "ntfs" || d.Content.Type == "vfat")
		}
		if !found {
			t.Error("no file system is in what it should unlock")
		}
	}
	for word := range strings.FieldsSeq(c.sums) {
		name, want, ok := strings.Cut(word, ":")
		if !ok {
			name, want = "", word
		}
		d := named(img, name)
		if d == nil || strings.HasPrefix(want, "x:") {
			continue // it is a part of another, or the sum is not that of its bytes
		}
		checked++
		if got := sum(t, d); got != want {
			t.Errorf("%s has the sum %s, want %s", d.Name, got, want)
		}
	}
	if checked == 0 {
		t.Errorf("nothing of %q was compared", c.shows)
	}
}

// content compares what is on a volume with the words that follow its size.
func (c *fieldCase) content(t *testing.T, img *unboot.Image, d *unboot.Device, words string) {
	t.Helper()
	m := regexp.MustCompile(`\b(ext3|vfat|ntfs)\b(?: label '([^']*)')?`).FindStringSubmatch(words)
	if m == nil {
		return
	}
	if d.Content == nil || d.Content.Type != m[1] || m[2] != "" && d.Content.Label != m[2] {
		t.Errorf("%s has %+v, want %s", d.Name, d.Content, m[0])
		return
	}
	f, err := img.Mount(d.Name, unboot.ReadOnly())
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Unmount()
	if file := regexp.MustCompile(`(\S+) = b'([^']*)'`).FindStringSubmatch(c.shows); file != nil {
		if data, err := f.ReadFile(file[1]); err != nil || string(data) != file[2] {
			t.Errorf("%s has %q, want %q: %v", file[1], data, file[2], err)
		}
	}
}

// named returns the volume of a name, or the only one.
func named(img *unboot.Image, name string) (found *unboot.Device) {
	for _, d := range img.Devices() {
		if d.Volume == nil {
			continue
		}
		if name == "" || strings.HasSuffix(d.Name, "/"+name) || strings.HasSuffix(d.Name, "_"+name) {
			found = d
		}
	}
	return found
}

// sum returns the SHA-256 of all bytes of a device.
func sum(t *testing.T, d *unboot.Device) string {
	t.Helper()
	f, err := d.Open(unix.O_RDONLY)
	rig.Check(t, "open", err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(f, 0, d.Size))
	rig.Check(t, "read", err)
	return hex.EncodeToString(h.Sum(nil))
}
