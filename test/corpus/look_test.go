package corpus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

func TestMain(m *testing.M) { rig.Main(m) }

// limit bounds how long an image may take, whatever is on it.
const limit = time.Minute

// open opens the disks of an image for reading, each by its keys, and holds that they do not
// change.
func open(t *testing.T, disks []string, keys ...volume.Key) (*unboot.Image, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	opts := []unboot.Option{unboot.Keys(func(_ *unboot.Device, try int) (volume.Key, error) {
		if try >= len(keys) {
			return volume.Key{}, unboot.ErrNoKey
		}
		k := keys[try]
		k.Secret = append([]byte(nil), k.Secret...)
		return k, nil
	})}
	for _, d := range disks[1:] {
		opts = append(opts, unboot.AddDisk(d))
	}
	for _, d := range disks {
		t.Cleanup(rig.Unchanged(t, d))
	}
	img, err := unboot.Open(ctx, disks[0], opts...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err == nil {
		t.Cleanup(func() {
			if err := img.Close(); err != nil {
				t.Error("close:", err)
			}
		})
	}
	return img, err
}

// look says what became of an image: what is on its devices, and whether it can be mounted.
// The kernel lives afterwards.
func look(t *testing.T, disks []string, keys ...volume.Key) string {
	t.Helper()
	img, err := open(t, disks, keys...)
	if err != nil {
		return "refused: " + strings.ReplaceAll(err.Error(), disks[0], "image")
	}
	var words []string
	devices := img.Devices()
	for _, d := range devices {
		word := ""
		switch c := d.Content; {
		case d.Locked != nil:
			word = d.Locked.Format + ", locked"
			if d.Locked.Err != nil {
				word += ": " + d.Locked.Err.Error()
			}
		case c == nil && (len(devices) == 1 || d.Volume != nil):
			word = "nothing known"
		case c == nil:
			continue
		default:
			word = c.Type
			if c.Usage == probe.Filesystem {
				word += ", " + mounts(t, img, d)
			}
		}
		for _, why := range d.Problems {
			word += " (" + why + ")"
		}
		if d.Name != "/dev/sda" {
			word = strings.TrimPrefix(strings.TrimPrefix(d.Name, "/dev/"), "mapper/") + ": " + word
		}
		words = append(words, word)
	}
	for _, v := range img.Inactive() {
		word := "inactive"
		if len(v.Nodes) > 0 {
			word = v.Nodes[0] + " is inactive"
		}
		for _, why := range v.Problems {
			word += " (" + why + ")"
		}
		if v.Err != nil {
			word += fmt.Sprintf(" (%v)", v.Err)
		}
		words = append(words, word)
	}
	if _, err := img.Kernel().ReadFile("/proc/version", 4096); err != nil {
		t.Errorf("the kernel did not live through it: %v", err)
	}
	return strings.Join(words, "; ")
}

// mounts says whether a device can be mounted, and looks at what is in it if so.
func mounts(t *testing.T, img *unboot.Image, d *unboot.Device) string {
	t.Helper()
	f, err := img.Mount(d.Name, unboot.ReadOnly())
	if err != nil {
		if strings.TrimSpace(err.Error()) == "" || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("mount: %q", err)
		}
		return "refused"
	}
	defer f.Unmount()
	entries := 0
	for _, err := range f.Walk(".", &unboot.WalkOptions{Links: true, Xattrs: true}) {
		if entries++; err != nil || entries > 2000 {
			break
		}
	}
	return "mounted"
}
