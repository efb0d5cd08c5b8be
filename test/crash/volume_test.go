package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// A stack is a volume whose file system is written to when the kernel ends. There is an ext4
// on it, or the test makes one.
type stack struct {
	fixture, node string
	format        bool
	kills         int // of a long run
}

var stacks = []stack{
	{fixture: "lvm-thin", node: "/dev/vgt/thin", kills: 25},
	{fixture: "lvm-thin", node: "/dev/vgt/onext", kills: 10},
	{fixture: "lvm-snapshot", node: "/dev/vgs/orig", kills: 20},
	{fixture: "lvm-snapshot", node: "/dev/vgs/snap2", kills: 5},
	{fixture: "lvm-cache", node: "/dev/vgc/cached", kills: 15},
	{fixture: "lvm-cache", node: "/dev/vgc/cvd", kills: 5},
	{fixture: "lvm-cache", node: "/dev/vgc/wcached", kills: 10},
	{fixture: "lvm-raid", node: "/dev/vgr/raid1", kills: 10},
	{fixture: "lvm-raid", node: "/dev/vgr/raid5", kills: 20},
	{fixture: "lvm-raid", node: "/dev/vgr/raidint", kills: 5},
	{fixture: "md-levels", node: "/dev/md/r1", kills: 10},
	{fixture: "md-levels", node: "/dev/md/r5", kills: 20},
	{fixture: "md-levels", node: "/dev/md/r6", kills: 5},
	{fixture: "md-features", node: "/dev/md/journal", kills: 5},
	{fixture: "md-features", node: "/dev/md/ppl", kills: 5},
	{fixture: "luks2-pbkdf2", format: true, kills: 20},
	{fixture: "luks2-hmac", format: true, kills: 15},
	{fixture: "stack-md-luks-lvm", node: "/dev/vg/root", format: true, kills: 5},
}

func (s stack) name() string { return s.fixture + strings.ReplaceAll(s.node, "/dev", "") }

// TestKillVolumes kills the kernel while it writes to volumes: what was synced is there, the
// file system is clean, and so is the metadata for the tools of the volumes.
func TestKillVolumes(t *testing.T) {
	for _, s := range stacks {
		t.Run(s.name(), func(t *testing.T) {
			if testing.Short() && s.kills < 10 {
				t.Skip("one of the longer tests")
			}
			newStackCampaign(t, s).run(t, 1)
		})
	}
}

// TestSoakKillVolumes does so 200 times and more, and goes on for as long as UNBOOT_SOAK says.
func TestSoakKillVolumes(t *testing.T) {
	until := time.Now().Add(soak(t))
	for n := 0; n == 0 || time.Now().Before(until) && !t.Failed(); n++ {
		for _, s := range stacks {
			t.Run(s.name(), func(t *testing.T) { newStackCampaign(t, s).run(t, s.kills) })
		}
	}
}

// A stackCampaign is a number of kills on one stack.
type stackCampaign struct {
	stack
	disks []string
	seed  uint64
	rng   *rand.Rand
	n     int

	ops, stable, replays int
}

func newStackCampaign(t *testing.T, s stack) *stackCampaign {
	c := &stackCampaign{stack: s, seed: rand.Uint64()}
	c.rng = rand.New(rand.NewPCG(c.seed, 0))
	dir := scratch(t, true)
	for i, from := range testvol.Unpack(t, s.fixture) {
		c.disks = append(c.disks, fmt.Sprintf("%s/sd%c", dir, 'a'+i))
		rig.Check(t, "copy", testimg.Copy(from, c.disks[i]))
	}
	if s.format {
		c.makeFS(t)
	}
	return c
}

// open opens the disks with the passphrase of the fixtures.
func (c *stackCampaign) open(t *testing.T, opts ...unboot.Option) *unboot.Image {
	t.Helper()
	for _, d := range c.disks[1:] {
		opts = append(opts, unboot.AddDisk(d))
	}
	opts = append(opts, unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if d.Content == nil || try > 0 {
			return volume.Key{}, unboot.ErrNoKey
		}
		return volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")}, nil
	}))
	ctx, cancel := context.WithTimeout(context.Background(), rig.Deadline)
	t.Cleanup(cancel)
	img, err := unboot.Open(ctx, c.disks[0], opts...)
	rig.Check(t, "open", err)
	return img
}

// device returns the volume.
func (c *stackCampaign) device(t *testing.T, img *unboot.Image) *unboot.Device {
	t.Helper()
	for _, d := range img.Devices() {
		if c.node == "" && d.Kind == unboot.KindCrypt {
			return d
		}
	}
	d, err := img.Device(c.node)
	if err != nil {
		for _, v := range img.Inactive() {
			t.Logf("%s: %v, %v", v.Name, v.Problems, v.Err)
		}
		t.Fatalf("%v\n%q\n%s", err, img.Problems(), rig.LastLog(img.Kernel(), 20))
	}
	return d
}

// makeFS writes a file system to the volume, every byte of it: what was never written to
// has no valid tag where the encryption is authenticated.
func (c *stackCampaign) makeFS(t *testing.T) {
	t.Helper()
	testimg.Need(t, "mke2fs")
	img := c.open(t, unboot.Writable())
	d := c.device(t, img)
	image := filepath.Join(t.TempDir(), "ext4")
	rig.Check(t, "create", os.WriteFile(image, nil, 0o600))
	rig.Check(t, "truncate", os.Truncate(image, d.Size))
	args := []string{"-q", "-F", "-t", "ext4", "-b", "4096", "-J", "size=4", image}
	if d.Size < 8<<20 { // the smallest journal has 1024 blocks
		args[5], args[7] = "1024", "size=1"
	}
	testimg.MustRun(t, "mke2fs", args...)
	from := rig.Open(t, image, os.O_RDONLY)
	to, err := d.Open(unix.O_RDWR)
	rig.Check(t, "open", err)
	_, err = io.Copy(io.NewOffsetWriter(to, 0), from)
	rig.Check(t, "write", errors.Join(err, to.Sync(), to.Close()))
	rig.Check(t, "close", img.Close())
}

func (c *stackCampaign) run(t *testing.T, kills int) {
	for range kills {
		if c.round(t); t.Failed() {
			break
		}
	}
	t.Logf("seed %#x, %d kills after %d operations, %d synced files found again, %d replays into memory", c.seed, c.n, c.ops, c.stable, c.replays)
	if t.Failed() {
		for i, d := range c.disks {
			to := fmt.Sprintf("/var/tmp/unboot-crash-%s-%x-%d", c.fixture, c.seed, i)
			t.Log(to, testimg.Copy(d, to))
		}
		return
	}
	c.tools(t)
}

// round kills the kernel once, and looks at what is left.
func (c *stackCampaign) round(t *testing.T) {
	t.Helper()
	c.n++
	writers := c.kill(t)
	if !t.Failed() && (c.n%3 == 1) {
		c.replay(t, writers)
	}
	if !t.Failed() {
		c.recover(t, writers)
	}
}

func (c *stackCampaign) kill(t *testing.T) []*writer {
	t.Helper()
	img := c.open(t, unboot.Writable())
	defer img.Close()
	f, err := img.Mount(c.device(t, img).Name)
	rig.Check(t, "mount", err)
	v, k := f.View(), img.Kernel()
	root := fmt.Sprintf("/round%d", c.n)
	if c.n > 1 { // so that it does not fill up
		removeAll(v, fmt.Sprintf("/round%d", c.n-1))
	}
	rig.Check(t, "mkdir", v.Mkdirat(unix.AT_FDCWD, root, 0o755))
	rig.Check(t, "sync", k.Sync())
	after := time.Duration(10+c.rng.IntN(150)) * time.Millisecond
	if c.n%10 == 0 {
		after *= 8
	}
	timer := time.AfterFunc(after, k.Kill)
	defer timer.Stop()
	writers, err := load(v, root, 4, math.MaxInt, c.rng.Uint64())
	if err != nil {
		t.Errorf("load: %v\n%s", err, rig.LastLog(k, 20))
	}
	if !errors.Is(k.Err(), fs.ErrClosed) {
		t.Errorf("the kernel ended by itself: %+v", k.Err())
	}
	k.Kill()
	for _, w := range writers {
		c.ops += w.ops
	}
	return writers
}

// verify compares the files of a mounted tree with what was written.
func (c *stackCampaign) verify(t *testing.T, f *unboot.FS, writers []*writer) {
	t.Helper()
	for _, w := range writers {
		n, wrong := w.verify(f.View(), w.dir)
		c.stable += n
		if len(wrong) > 0 {
			t.Errorf("%d differences: %q", len(wrong), wrong[:min(10, len(wrong))])
		}
	}
	if _, wrong := walk(f.View(), "/"); len(wrong) > 0 {
		t.Errorf("%q", wrong[:min(10, len(wrong))])
	}
}

// replay reads the volume as it was left: nothing on the disks changes.
func (c *stackCampaign) replay(t *testing.T, writers []*writer) {
	t.Helper()
	var unchanged []func()
	for _, d := range c.disks {
		unchanged = append(unchanged, rig.Unchanged(t, d))
	}
	img := c.open(t)
	defer img.Close()
	f, err := img.Mount(c.device(t, img).Name)
	rig.Check(t, "mount with an overlay", err)
	c.verify(t, f, writers)
	rig.Check(t, "close", img.Close())
	for _, check := range unchanged {
		check()
	}
	c.replays++
}

// recover opens the disks for writing again, and has the checker look at the file system.
func (c *stackCampaign) recover(t *testing.T, writers []*writer) {
	t.Helper()
	img := c.open(t, unboot.Writable())
	defer img.Close()
	d := c.device(t, img)
	f, err := img.Mount(d.Name)
	rig.Check(t, "mount after the kill", err)
	c.verify(t, f, writers)
	rig.Check(t, "unmount", f.Unmount())
	dump := filepath.Join(t.TempDir(), "dump")
	rig.Check(t, "dump", copyDevice(d, dump))
	defer os.Remove(dump)
	rig.Check(t, "close", img.Close())
	var missing *testimg.Missing
	if out, err := testimg.FsckOutput("ext4", dump); err != nil && !errors.As(err, &missing) {
		t.Errorf("checker: %v\n%s", err, out)
	}
}

// copyDevice writes the bytes of a device to a file of the host.
func copyDevice(d *unboot.Device, to string) error {
	in, err := d.Open(unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, io.NewSectionReader(in, 0, d.Size))
	return err
}
