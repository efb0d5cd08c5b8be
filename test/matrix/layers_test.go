package matrix

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestOverlayFS puts a layer that can be written over an image that cannot, as
// containers do: it shows the image's tree, takes changes, and keeps them, while the
// image stays as it is.
func TestOverlayFS(t *testing.T) {
	lower := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	upper := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20}))
	unchanged := rig.Unchanged(t, lower)
	defer unchanged()
	session := func(work func(k *lkl.Kernel, lower, merged string)) {
		k := rig.Boot(t, nil)
		f := rig.Open(t, lower, os.O_RDONLY)
		disk, err := k.AttachDisk(lkl.Disk{File: f, ReadOnly: true})
		rig.Check(t, "attach", err)
		below, err := rig.Mount(k, disk, "ext4", unix.MS_RDONLY, "")
		rig.Check(t, "mount below", err)
		above, err := rig.Mount(k, rig.Attach(t, k, upper), "ext4", 0, "")
		rig.Check(t, "mount above", err)
		for _, dir := range []string{above + "/upper", above + "/work", "/mnt/merged"} {
			if err := k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && err != unix.EEXIST {
				t.Fatal(dir, err)
			}
		}
		rig.Check(t, "mount overlay", k.Mount("overlay", "/mnt/merged", "overlay", 0,
			"lowerdir="+below+",upperdir="+above+"/upper,workdir="+above+"/work"))
		work(k, below, "/mnt/merged")
		rig.Check(t, "unmount", k.Unmount("/mnt/merged", 0))
		rig.Check(t, "unmount above", k.Unmount(above, 0))
		rig.Check(t, "close", k.Close())
	}
	var want tree
	session(func(k *lkl.Kernel, lower, merged string) {
		s := ours{&k.View}
		below, err := take(s, lower)
		rig.Check(t, "read below", err)
		got, err := take(s, merged)
		rig.Check(t, "read", err)
		report(t, "compared with what is below", diff(got, below, noRoot))
		r := &runner{t: t, s: s, root: merged}
		r.file("added", testimg.Pattern(100_000, 1))
		rig.Check(t, "unlink", s.Unlinkat(unix.AT_FDCWD, merged+"/names/plain", 0))
		fd, err := s.Open(merged+"/contents/one", unix.O_WRONLY|unix.O_APPEND, 0)
		if err == nil {
			_, err = k.Write(fd, []byte("more"))
			k.CloseFd(fd)
		}
		rig.Check(t, "append", err)
		want, err = take(s, merged)
		rig.Check(t, "read what was changed", err)
	})
	testimg.Fsck(t, "ext4", upper)
	session(func(k *lkl.Kernel, _, merged string) {
		got, err := take(ours{&k.View}, merged)
		rig.Check(t, "read again", err)
		report(t, "compared with before", diff(got, want))
		if _, there := got["names/plain"]; there {
			t.Error("the removed file is there")
		}
	})
}

// TestDiscard: what a file system gives up becomes a hole of the host's file.
func TestDiscard(t *testing.T) {
	for fstype, option := range map[string]string{"ext4": "discard", "xfs": "discard", "btrfs": "discard=sync", "f2fs": "discard"} {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{Size: 512 << 20}))
			session := func(work func(r *runner)) {
				k := rig.Boot(t, nil)
				dir, err := rig.Mount(k, rig.Attach(t, k, image), fstype, 0, option)
				rig.Check(t, "mount", err)
				work(&runner{t: t, s: ours{&k.View}, root: dir})
				rig.Check(t, "unmount", k.Unmount(dir, 0))
				rig.Check(t, "close", k.Close())
			}
			const size = 32 << 20
			session(func(r *runner) { r.file("large", testimg.Pattern(size, 7)) })
			full := allocated(t, image)
			session(func(r *runner) {
				rig.Check(t, "unlink", r.s.Unlinkat(unix.AT_FDCWD, r.path("large"), 0))
			})
			if freed := full - allocated(t, image); freed < size*3/4 {
				t.Errorf("of %d bytes %d were given back", size, freed)
			}
			testimg.Fsck(t, fstype, image)
		})
	}
}

func allocated(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	rig.Check(t, "stat", unix.Stat(path, &st))
	return st.Blocks * 512
}
