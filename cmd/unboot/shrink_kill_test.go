package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// A shrinking is how a file system is made, and how it is checked after a kill.
type shrinking struct {
	size, to int64  // of the disk, in MiB
	mkfs     string // on the file $1
	ballast  int    // MiB that the files lie behind
	// repair completes what was interrupted, and check finds no fault then, on the device $1.
	repair, check string
	// windows is set if only Windows repairs it: then check may find a fault in some of the copies,
	// which were killed in the milliseconds in which its tables are written.
	windows bool
}

var shrinkings = map[string]*shrinking{
	"ext4":  {100, 56, "mkfs.ext4 -q -F -b 1024 $1", 60, "e2fsck -fy $1 || [ $? = 1 ]", "e2fsck -fn $1", false},
	"ntfs":  {100, 56, "mkfs.ntfs -q -f -F $1", 60, "ntfsfix -d $1", "ntfsresize --info -f $1", true},
	"btrfs": {400, 320, "mkfs.btrfs -q -m single $1", 200, "true", "btrfs check $1", false},
}

// TestShrinkKilled kills unboot resize --shrink at any time: the disk has one of both sizes, and
// all files, and nothing is wrong with the file system when it was checked.
func TestShrinkKilled(t *testing.T) {
	needKernel(t)
	if ok, err := programsRun(); !ok {
		t.Skip("no programs: ", err)
	}
	testimg.Need(t, "sfdisk", "resize2fs", "mkfs.ext4")
	kills := 2
	if testimg.Thorough() {
		kills = 200
	}
	for fstype, s := range shrinkings {
		t.Run(fstype, func(t *testing.T) {
			testimg.Need(t, "mkfs."+fstype)
			k := newShrinkKiller(t, s)
			faulty := 0
			for range kills {
				if k.kill(t); k.faults > 0 {
					faulty++
				}
			}
			if faulty > 1+kills/20 {
				t.Errorf("%d of %d are to be repaired by Windows", faulty, kills)
			}
		})
	}
}

// A shrinkKiller kills commands that make copies of a disk smaller.
type shrinkKiller struct {
	*shrinking
	unboot, disk string
	files        map[string][]byte
	took         time.Duration
	r            *rand.Rand
	faults       int // that k.check has found in the last disk
}

func newShrinkKiller(t *testing.T, s *shrinking) *shrinkKiller {
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	k := &shrinkKiller{shrinking: s, unboot: filepath.Join(dir, "unboot"), disk: filepath.Join(dir, "disk"), files: map[string][]byte{}, r: rand.New(rand.NewPCG(seed, 0))}
	exe, err := os.Executable()
	rig.Check(t, "executable", err)
	rig.Check(t, "link", os.Symlink(exe, k.unboot)) // TestMain runs main for that name
	testimg.MustRun(t, "sh", "-ec", `cd "$1"; truncate -s $2M disk; truncate -s $(($2 - 2))M fs; `+strings.ReplaceAll(s.mkfs, "$1", "fs")+`
		printf 'start=1M,size=%sM,type=L\n' $(($2 - 2)) | sfdisk -q --label gpt disk
		dd if=fs of=disk bs=1M seek=1 conv=notrunc,sparse status=none; rm fs`, "sh", dir, fmt.Sprint(s.size))
	img, err := unboot.Open(t.Context(), k.disk, unboot.Writable())
	rig.Check(t, "open", err)
	f, err := img.MountAuto()
	rig.Check(t, "mount", err)
	// The files lie where what is left has to take them in.
	for i := range s.ballast {
		rig.Check(t, "write", f.WriteFile(fmt.Sprint("ballast", i), bytes.Repeat([]byte("x"), 1<<20), 0o600))
	}
	rig.Check(t, "sync", f.Sync())
	for i := range 40 {
		name := fmt.Sprintf("dir%d/%d", i%5, i)
		rig.Check(t, "mkdir", f.MkdirAll(filepath.Dir(name), 0o755))
		var b bytes.Buffer
		for n := 1; b.Len() < i*i*600; n += 7 {
			fmt.Fprintln(&b, i*n)
		}
		k.files[name] = b.Bytes()
		rig.Check(t, "write", f.WriteFile(name, b.Bytes(), 0o600))
	}
	rig.Check(t, "sync", f.Sync())
	for i := range s.ballast {
		rig.Check(t, "remove", f.Remove(fmt.Sprint("ballast", i)))
	}
	rig.Check(t, "sync", f.Sync())
	time.Sleep(300 * time.Millisecond) // in which btrfs frees what was removed
	rig.Check(t, "sync", f.Sync())
	rig.Check(t, "close", img.Close())
	// How long it takes.
	begin := time.Now()
	if killed := k.shrink(t, k.copy(t), time.Hour); killed {
		t.Fatal("killed after an hour")
	}
	k.took = time.Since(begin)
	t.Logf("%v, seed %d", k.took, seed)
	return k
}

// copy returns a copy of the disk.
func (k *shrinkKiller) copy(t *testing.T) string {
	to := filepath.Join(t.TempDir(), "disk")
	rig.Check(t, "copy", testimg.Copy(k.disk, to))
	return to
}

// shrink makes a disk smaller, and reports whether it was killed before that was done.
func (k *shrinkKiller) shrink(t *testing.T, path string, after time.Duration) (killed bool) {
	cmd := exec.Command(k.unboot, "resize", "--shrink", path, fmt.Sprint(k.to, "M"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	rig.Check(t, "start", cmd.Start())
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if err != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("%v: %s", err, &out)
	}
	return err != nil
}

// open opens a disk as soon as the kernel of a program that was killed has ended.
func (k *shrinkKiller) open(t *testing.T, path string) *unboot.Image {
	for wait := time.Millisecond; ; wait *= 2 {
		img, err := unboot.Open(t.Context(), path, unboot.Writable())
		if errors.Is(err, disk.ErrInUse) && wait < time.Minute {
			time.Sleep(wait)
			continue
		}
		rig.Check(t, "open", err)
		return img
	}
}

// kill shrinks a copy of the disk, which is killed, and checks what is left.
func (k *shrinkKiller) kill(t *testing.T) {
	path := k.copy(t)
	defer os.Remove(path)
	k.faults = 0
	after := time.Duration(k.r.Int64N(int64(k.took)))
	killed := k.shrink(t, path, after)
	ok := k.sound(t, path, k.windows)
	if ok && k.faults == 0 {
		if k.shrink(t, path, time.Hour) {
			t.Error("killed after an hour")
		}
		st, err := os.Stat(path)
		rig.Check(t, "stat", err)
		if st.Size() != k.to<<20 {
			t.Errorf("repeated, it has %d bytes", st.Size())
		}
		ok = k.sound(t, path, false) && st.Size() == k.to<<20
	}
	if !ok {
		t.Errorf("killed after %v: %v", after, killed)
	}
}

// sound reports whether a disk has all files, after a repair, and nothing is wrong with it then, or
// something may be, which is counted.
func (k *shrinkKiller) sound(t *testing.T, path string, mayBe bool) (ok bool) {
	img := k.open(t, path)
	defer func() {
		if err := img.Close(); err != nil {
			t.Error("close:", err)
			ok = false
		}
	}()
	st, err := os.Stat(path)
	rig.Check(t, "stat", err)
	if st.Size() != k.size<<20 && st.Size() != k.to<<20 {
		t.Errorf("it has %d bytes", st.Size())
		return false
	}
	testimg.MustRun(t, "sfdisk", "--verify", path)
	d, err := img.Device("/dev/sda1")
	rig.Check(t, "device", err)
	if end := d.Partition.Start + d.Size; end > st.Size() || d.Content == nil || d.Content.Size > d.Size {
		t.Errorf("the partition ends at %d of %d: %+v", end, st.Size(), d.Content)
		return false
	}
	for _, script := range []string{k.repair, k.check} {
		if out, err := img.Tool("sh", "-ec", strings.ReplaceAll(script, "$1", d.Name)).CombinedOutput(); err != nil && mayBe {
			t.Logf("%s: %v: %s", script, err, out)
			k.faults++
		} else if err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
			return false
		}
	}
	f, err := img.Mount(d.Name, unboot.ReadOnly())
	if err != nil {
		t.Error("mount:", err)
		return false
	}
	ok = true
	for name, want := range k.files {
		if got, err := f.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, not %d, %v", name, len(got), len(want), err)
			ok = false
		}
	}
	return ok
}
