package testvol

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The real tools find in unchanged fixtures what the record says, side by side in sets that
// are copies of each other, and see what is broken.
func TestVerify(t *testing.T) {
	NeedAppliance(t)
	broken := Writable(t, "lvm-linear")
	damage(t, broken[0])
	reports := Verify(t,
		Set{Name: "linear", Disks: Writable(t, "lvm-linear")},
		Set{Name: "broken", Disks: broken},
		Set{Name: "deep", Disks: Writable(t, "stack-md-luks-lvm"), Keys: map[string]string{"/dev/md/deep": "secret"}})
	good := reports["linear"]
	for _, c := range Contents(t, "lvm-linear") {
		v := good.Volume("/dev/mapper/vg0-" + filepath.Base(c.Node))
		if v == nil || !v.Mounted || v.Fsck != "0" || v.FS != c.FS || v.Files["data"] != c.SHA256 {
			t.Errorf("%s: %+v\n%s", c.Node, v, good.Record["checks.txt"])
		}
	}
	if !strings.HasSuffix(good.Record["vgck.txt"], "exit status 0\n") {
		t.Errorf("vgck: %q of %q", good.Record["vgck.txt"], slices.Sorted(maps.Keys(good.Record)))
	}
	if v := reports["broken"].Volume("/dev/mapper/vg0-root"); v != nil && v.Mounted && v.Fsck == "0" {
		t.Errorf("nothing wrong was found in what is broken: %+v", v)
	}
	deep := Contents(t, "stack-md-luks-lvm")[0]
	if v := reports["deep"].Volume("/dev/mapper/vg-root"); v == nil || !v.Mounted || v.Files["data"] != deep.SHA256 {
		t.Errorf("%+v\n%s", v, reports["deep"].Record["lsblk.json"])
	}
}

// damage overwrites the group descriptors of the file system root of lvm-linear, which lies
// at sector 10240 of the disk's second partition.
func damage(t *testing.T, disk string) {
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("broken ", 1000)), 10240*512*2+2048); err != nil {
		t.Fatal(err)
	}
}

func TestReport(t *testing.T) {
	r, err := report(map[string]string{
		"volumes.txt": "/dev/sda1\text4\tmounted\t0\n/dev/sda2\txfs\tmount: /tmp/m: bad\t1\n",
		"files.txt":   "/dev/sda1\tabc\ta b\tc\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Volume("/dev/sda1"); v == nil || !v.Mounted || v.Fsck != "0" || v.Files["a b\tc"] != "abc" {
		t.Errorf("%+v", v)
	}
	if v := r.Volume("/dev/sda2"); v == nil || v.Mounted || v.Refused != "mount: /tmp/m: bad" || v.Fsck != "1" {
		t.Errorf("%+v", v)
	}
	if _, err := report(nil); err == nil {
		t.Error("a set that the appliance did not come to is reported")
	}
	if _, err := report(map[string]string{"volumes.txt": "x\n"}); err == nil {
		t.Error("a broken line is taken")
	}
}

func TestLetters(t *testing.T) {
	seen := map[string]bool{}
	for n := range 300 {
		label := letters(n)
		if seen[label] || strings.Trim(label, "abcdefghij") != "" {
			t.Errorf("label %d is %q", n, label)
		}
		seen[label] = true
	}
}
