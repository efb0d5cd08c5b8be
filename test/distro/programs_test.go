package distro

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/testimg"
)

// workDir is where each item has a directory of its own.
const workDir = "/w/"

// limit bounds the time of an item.
const limit = 3 * time.Minute

// TestPrograms runs the programs of the list in both worlds.
func TestPrograms(t *testing.T) {
	if !testimg.Thorough() {
		t.Skip("some minutes: set UNBOOT_TEST_ALL")
	}
	testimg.NeedRoot(t)
	compareItems(t, testimg.Debian(t, "ext4"), testimg.DebianRootOffset, func(it *item) bool { return it.small })
}

// TestAllPrograms runs all of them on the guest that has everything.
func TestAllPrograms(t *testing.T) {
	if !testimg.Thorough() {
		t.Skip("a guest of 2 GB and some minutes: set UNBOOT_TEST_ALL")
	}
	testimg.NeedRoot(t)
	compareItems(t, testimg.DebianPrograms(t), 0, func(*item) bool { return true })
}

// compareItems runs items on copies of an image, and compares what has become of the trees.
func compareItems(t *testing.T, image string, offset int64, take func(*item) bool) {
	before := time.Now().Add(-2 * time.Second)
	images := [2]string{testimg.Writable(t, image), testimg.Writable(t, image)}
	ours := newLibrary(t, images[0])
	theirs := newChroot(t, images[1], loopOptions(offset, ""))
	reasons, paths := known(t)
	free := map[string]bool{}
	for _, it := range readItems(t) {
		if !take(&it) {
			continue
		}
		if strings.Contains(it.free, "t") {
			free[it.name] = true
		}
		t.Run(it.name, func(t *testing.T) { it.compare(t, ours, theirs, reasons[it.name]) })
	}
	ours.close(t)
	testimg.MustRun(t, "sync", "-f", theirs.root)
	mounted := testimg.Loop(t, images[0], "ext4", loopOptions(offset, "ro"))
	judgeTrees(t, readTree(t, mounted, before), readTree(t, theirs.root, before), paths, func(path string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(path, workDir), "/")
		return strings.HasPrefix(path, workDir) && (free[name] || reasons[name] != "")
	})
}

// compare runs one item in both worlds at a time.
func (it *item) compare(t *testing.T, ours *library, theirs world, reason string) {
	dir := workDir + it.name
	files := it.input(t)
	ours.lastLog()
	var results [2]*result
	var wg sync.WaitGroup
	for i, w := range []world{ours, theirs} {
		w.mkdir(t, dir, files)
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			results[i] = w.run(ctx, dir, it.script)
		})
	}
	wg.Wait()
	a, b := results[0], results[1]
	t.Logf("%v, in the chroot %v", a.took.Round(time.Millisecond), b.took.Round(time.Millisecond))
	report := t.Errorf
	if reason != "" {
		t.Log("known to differ:", reason)
		report = t.Logf
	}
	for _, c := range []struct {
		letter, what string
		ours, theirs []byte
	}{
		{"s", "status", []byte(a.status), []byte(b.status)},
		{"o", "stdout", a.stdout.Bytes(), b.stdout.Bytes()},
		{"e", "stderr", a.stderr.Bytes(), b.stderr.Bytes()},
	} {
		if !strings.Contains(it.free, c.letter) && !bytes.Equal(c.ours, c.theirs) {
			x, y := apart(c.ours, c.theirs)
			report("%s differs:\n--- ours\n%s\n--- in the chroot\n%s", c.what, x, y)
		}
	}
	if (t.Failed() || a.status == "timeout") && !ours.alive(t) {
		return
	}
	if t.Failed() {
		if log := ours.lastLog(); log != "" {
			t.Logf("the kernel's log:\n%s", log)
		}
	}
}

// apart returns two texts from a little before where they differ.
func apart(a, b []byte) (x, y []byte) {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	n = bytes.LastIndexByte(a[:n], '\n') + 1
	return a[n:min(len(a), n+600)], b[n:min(len(b), n+600)]
}
