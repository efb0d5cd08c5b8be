package unboot_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/luks"
)

// countTo returns the first bytes of what seq(1) prints.
func countTo(size int) []byte {
	var b bytes.Buffer
	for i := 1; b.Len() < size; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()[:size]
}

// TestLeftovers has programs set up devices on an encrypted one, write to them and leave them: the
// image is closed, and has all of it.
func TestLeftovers(t *testing.T) {
	testimg.Need(t, "lvm", "dmsetup", "mdadm", "losetup")
	const write = "seq 1 200000 | dd of=%s bs=64k count=16 iflag=fullblock status=none; "
	const group = "pvcreate -q $D; vgcreate -q vg $D; lvcreate -q -n data -L 16M vg; "
	const rescan = "\x00" // what there is becomes the image's
	on := func(node string) string { return fmt.Sprintf(write, node) }
	for name, c := range map[string]struct{ script, device string }{
		"volume":    {group + on("/dev/vg/data"), "/dev/vg/data"},
		"table":     {group + "dmsetup create a-b --table '0 16384 linear /dev/vg/data 0'; " + on("/dev/mapper/a-b"), "/dev/vg/data"},
		"snapshot":  {group + on("/dev/vg/data") + rescan + "lvcreate -q -y -s -n snap -L 8M vg/data; seq 7 10000 | dd of=/dev/vg/snap status=none", "/dev/vg/data"},
		"suspended": {group + on("/dev/vg/data") + "dmsetup suspend vg-data", "/dev/vg/data"},
		"array":     {"mdadm --create /dev/md5 --quiet --run --metadata=1.0 --level=1 --raid-devices=2 --force $D missing </dev/null; " + on("/dev/md5"), "crypt"},
		"loop":      {"losetup /dev/loop0 $D; " + on("/dev/loop0"), "crypt"},
		"mixed": {group + "lvcreate -q -n more -L 16M vg; losetup /dev/loop0 /dev/vg/data; " +
			"mdadm --create /dev/md0 --quiet --run --metadata=1.0 --level=1 --raid-devices=2 --force /dev/loop0 /dev/vg/more </dev/null; " +
			"dmsetup create top --table '0 8192 linear /dev/md0 0'; " + on("/dev/mapper/top"), "/dev/vg/data"},
		"mounted": {group + "mkfs.ext4 -q /dev/vg/data; mount /dev/vg/data /tmp; truncate -s 8M /tmp/file; losetup /dev/loop3 /tmp/file; " + on("/dev/loop3") +
			"sleep 100 & ", "/dev/vg/data:file"},
	} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			rig.Check(t, "write", os.WriteFile(image, nil, 0o600))
			rig.Check(t, "truncate", os.Truncate(image, 80<<20))
			img := open(t, image, unboot.Writable())
			if err := img.Tool("true").Run(); err != nil {
				t.Skip("no tools: ", err)
			}
			rig.Check(t, "format", img.ChangeLUKS(nowDevice(t, img, "/dev/sda"), false, func(w *luks.Writer) error {
				w.KDF = luks.KDF{Type: "pbkdf2", Iterations: 1000}
				return w.Format(t.Context(), []byte("one"), luks.Layout{Version: 2, Cipher: "aes-xts-plain64"})
			}))
			rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("one"), unboot.MapName("crypt")))
			for script := range strings.SplitSeq(c.script, rescan) {
				rig.Check(t, "rescan", img.Rescan())
				out, err := img.Tool("sh", "-ec", "D=/dev/mapper/crypt; "+script).CombinedOutput()
				rig.Check(t, "tool: "+string(out), err)
			}
			rig.Check(t, "close", img.Close())

			img = open(t, image)
			rig.Check(t, "unlock", img.Unlock(nowDevice(t, img, "/dev/sda"), phrase("one"), unboot.MapName("crypt")))
			device, file, isFile := strings.Cut(c.device, ":")
			if device == "crypt" {
				device = "/dev/mapper/crypt"
			}
			want, got := countTo(1<<20), []byte(nil)
			if isFile {
				f, err := img.Mount(device)
				rig.Check(t, "mount", err)
				got, err = f.ReadFile(file)
				rig.Check(t, "read", err)
				got = got[:min(len(got), len(want))]
			} else {
				f, err := nowDevice(t, img, device).Open(unix.O_RDONLY)
				rig.Check(t, "open", err)
				got = make([]byte, len(want))
				_, err = f.ReadAt(got, 0)
				rig.Check(t, "read", err)
				f.Close()
			}
			if !bytes.Equal(got, want) {
				t.Error("what was written is not there")
			}
		})
	}
}

// TestLeftoverInUse says what cannot be taken away.
func TestLeftoverInUse(t *testing.T) {
	testimg.Need(t, "dmsetup", "mkfs.ext4")
	image := filepath.Join(t.TempDir(), "image")
	rig.Check(t, "write", os.WriteFile(image, make([]byte, 8<<20), 0o600))
	img, err := unboot.Open(t.Context(), image, unboot.Writable())
	needKernel(t, err)
	rig.Check(t, "open", err)
	defer img.Close()
	if err := img.Tool("true").Run(); err != nil {
		t.Skip("no tools: ", err)
	}
	out, err := img.Tool("sh", "-ec", "dmsetup create it --table '0 8192 linear /dev/sda 0'; mkfs.ext4 -q /dev/mapper/it").CombinedOutput()
	rig.Check(t, "tool: "+string(out), err)
	k := img.Kernel()
	rig.Check(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, "/mnt/mine", 0o755))
	rig.Check(t, "mount", k.Mount("/dev/mapper/it", "/mnt/mine", "ext4", 0, ""))
	if err := img.Close(); err == nil || !strings.Contains(err.Error(), "/dev/mapper/it, which a program has set up and left: ") {
		t.Error(err)
	}
}

// TestLeftoverOfGuest has a program of a guest leave a loop device on one of its files.
func TestLeftoverOfGuest(t *testing.T) {
	f, image := guest(t)
	output(t, f, "set -e; truncate -s 4M /root/file; losetup -f /root/file; seq 1 200000 | head -c 1048576 >/dev/loop0")
	rig.Check(t, "close", f.Image().Close())
	got, err := mount(t, image).ReadFile("root/file")
	if want := countTo(1 << 20); err != nil || len(got) != 4<<20 || !bytes.Equal(got[:len(want)], want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
