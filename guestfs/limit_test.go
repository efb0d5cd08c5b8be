package guestfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestEndless: a disk whose metadata never end ends a call, with an error that says what to do.
func TestEndless(t *testing.T) {
	needKernel(t)
	image := filepath.Join(t.TempDir(), "disk.img")
	check(t, os.WriteFile(image, testimg.Endless(), 0o644))
	t.Setenv("UNBOOT_CPU_LIMIT", "500ms")
	endless := func(t *testing.T, err error) {
		t.Helper()
		const want = "used more than 500ms of processor time (UNBOOT_CPU_LIMIT): a disk may be damaged (to allow more: UNBOOT_CPU_LIMIT=TIME, 0 for no limit)"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
	t.Run("call", func(t *testing.T) {
		g := launched(t, image, true)
		// Each call has the time for itself.
		for range 5_000 {
			check(t, g.Ping_daemon())
		}
		if text, err := g.Cat("/a"); text != "a\n" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		_, err := g.Cat("/none")
		endless(t, err)
		_, err = g.Cat("/a")
		endless(t, err)
		endless(t, g.Close())
	})
	for _, readonly := range []bool{true, false} {
		g := create(t)
		check(t, g.Add_drive(image, raw(readonly)))
		check(t, g.Launch())
		_, err := g.Inspect_os()
		endless(t, err)
		if readonly {
			endless(t, g.Close())
		} else if _, err := g.List_filesystems(); err != nil { // the drive's own kernel is another
			t.Errorf("after the inspection: %v", err)
		}
	}
	if now, err := os.ReadFile(image); err != nil || !bytes.Equal(now, testimg.Endless()) {
		t.Errorf("the image has changed, %v", err)
	}
	t.Run("nonsense", func(t *testing.T) {
		t.Setenv("UNBOOT_CPU_LIMIT", "much")
		g := create(t)
		check(t, g.Add_drive(image, raw(true)))
		if err := g.Launch(); err == nil || !strings.Contains(err.Error(), `UNBOOT_CPU_LIMIT is not a time such as 10m: "much"`) {
			t.Errorf("%v", err)
		}
	})
}
