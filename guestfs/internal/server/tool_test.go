package server

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/testimg"
)

// TestToolDamage finds that a tool that was killed changes nothing, and that what one has
// changed before it failed is there, on the device and nowhere else.
func TestToolDamage(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "sh", "dd")
	disk := image(t, 16)
	runSfdisk(t, disk, "label: dos\n2048,4M\n8M,4M\n")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Drives: []Drive{{Path: disk}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	script := func(use hosttool.Use, device, script string) error {
		_, err := s.onDevice(t.Context(), use, device, nil, "sh", "-c", script, "sh", hosttool.Arg(0))
		return err
	}
	same := func(when string) {
		t.Helper()
		now, err := os.ReadFile(disk)
		if err != nil || string(now) != string(before) {
			t.Errorf("%s: the disk has changed, %v", when, err)
		}
	}
	write := "printf hello | dd of=$1 bs=1 seek=%d conv=notrunc status=none; "
	if err := script(hosttool.Changes, "/dev/sda1", fmt.Sprintf(write, 4097)+"kill -9 $$"); err == nil {
		t.Error("killed, and no error")
	}
	same("killed")
	if err := script(hosttool.Reads, "/dev/sda1", fmt.Sprintf(write, 4097)); err != nil {
		t.Error(err)
	}
	same("reading")
	if err := script(hosttool.Makes, "/dev/sda1", fmt.Sprintf(write, 4097)+"exit 1"); err == nil {
		t.Error("failed, and no error")
	}
	same("failed to make")
	// A file that grows or shrinks does not touch what is beyond the device, or was cut.
	if err := script(hosttool.Changes, "/dev/sda1", fmt.Sprintf(write, 4<<20)); err != nil {
		t.Error(err)
	}
	same("beyond the end")
	if err := script(hosttool.Changes, "/dev/sda", "truncate -s 1M $1"); err != nil {
		t.Error(err)
	}
	same("cut")
	var failed *hosttool.Error
	if err := script(hosttool.Changes, "/dev/sda2", fmt.Sprintf(write, 4097)+"exit 7"); !errors.As(err, &failed) || failed.Status != 7 {
		t.Error(err)
	}
	copy(before[8<<20+4097:], "hello")
	same("failed to change")
	// Making clears what was there, and only there.
	if err := script(hosttool.Makes, "/dev/sda2", fmt.Sprintf(write, 1<<20)); err != nil {
		t.Error(err)
	}
	clear(before[8<<20 : 12<<20])
	copy(before[9<<20:], "hello")
	same("made")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestToolQcow2 has a tool work on a disk that is not a raw file, whose changes are
// thrown away.
func TestToolQcow2(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "qemu-img", "mkfs.ext4", "e2fsck")
	raw := image(t, 16)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", raw)
	disk := raw + ".qcow2"
	testimg.MustRun(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []Drive{{Path: disk, Format: "qcow2", ReadOnly: true}, {Path: raw, ReadOnly: true}} {
		c := connect(t, d)
		wantOK(t, c, rpc.ProcSetE2uuid, &rpc.SetE2uuidArgs{Device: "/dev/sda", Uuid: "time"})
		wantOK(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: "/dev/sda", Forceall: rpc.Some(true)})
		wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext2", Device: "/dev/sda", Label: rpc.Some("new")})
		writeFile(t, c, "", "/dev/sda")
		wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sda"}, "new")
		wantOK(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: "/dev/sda"})
		wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	}
	if after, err := os.ReadFile(disk); err != nil || string(after) != string(before) {
		t.Errorf("the image has changed: %v", err)
	}
	if blkidTag(t, raw, "TYPE") != "ext4" {
		t.Error("the raw image has changed")
	}
}
