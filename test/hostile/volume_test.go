package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// A patched disk is an image of which some blocks are others. It is only read: a write is
// noted.
type patched struct {
	f       *os.File
	at      int64 // where it begins in the file
	size    int64
	patches map[int64][]byte // by their offsets
	writes  atomic.Int64
}

func newPatched(t *testing.T, path string) *patched {
	t.Helper()
	f := rig.Open(t, path, os.O_RDONLY)
	size, err := f.Seek(0, io.SeekEnd)
	rig.Check(t, "size", err)
	return &patched{f: f, size: size, patches: map[int64][]byte{}}
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size {
		return 0, io.EOF
	}
	short := off+int64(len(b)) > p.size
	b = b[:min(int64(len(b)), p.size-off)]
	n, err := p.f.ReadAt(b, p.at+off)
	if err != nil {
		return n, err
	}
	for at, patch := range p.patches {
		from, to := max(at, off), min(at+int64(len(patch)), off+int64(len(b)))
		if from < to {
			copy(b[from-off:to-off], patch[from-at:])
		}
	}
	if short {
		err = io.EOF
	}
	return n, err
}

func (p *patched) WriteAt([]byte, int64) (int, error) {
	p.writes.Add(1)
	return 0, unix.EROFS
}

func (p *patched) Size() int64  { return p.size }
func (p *patched) Flush() error { return nil }
func (p *patched) Close() error { return nil }

// limit bounds the time that an image with broken metadata takes, key derivation included,
// on a machine that is busy with other tests.
const limit = 60 * time.Second

// healthy returns a disk with a file system that nothing is wrong with.
func healthy(t *testing.T) string {
	return testimg.FS(t, "ext4", testimg.Options{Tree: true})
}

// An ordeal opens disks whose metadata is broken, together with one that is healthy, which
// has to be usable whatever the others are.
type ordeal struct {
	healthy string
	keys    []volume.Key

	mu              sync.Mutex
	volumes, closed int // seen
}

// open opens the disks, reads a little of every device there is, and mounts the healthy one.
func (o *ordeal) open(disks ...*patched) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	opts := []unboot.Option{unboot.Keys(func(_ *unboot.Device, try int) (volume.Key, error) {
		if try >= len(o.keys) {
			return volume.Key{}, unboot.ErrNoKey
		}
		k := o.keys[try]
		k.Secret = slices.Clone(k.Secret)
		return k, nil
	})}
	for i, d := range disks {
		opts = append(opts, unboot.AddDevice(fmt.Sprint("broken", i), d))
	}
	img, err := unboot.Open(ctx, o.healthy, opts...)
	if err != nil {
		return err
	}
	defer img.Close()
	for _, d := range img.Devices() {
		if d.Volume != nil {
			o.mu.Lock()
			o.volumes++
			o.mu.Unlock()
		}
		// What cannot be read is an error of the read; the image is what counts.
		if f, err := d.Open(unix.O_RDONLY); err == nil {
			b := make([]byte, 64<<10)
			f.ReadAt(b, 0)
			f.ReadAt(b, max(0, d.Size-int64(len(b))))
			f.Close()
		}
		if d.Size < 0 {
			return fmt.Errorf("%s has %d bytes", d.Name, d.Size)
		}
	}
	o.mu.Lock()
	o.closed += len(img.Inactive())
	o.mu.Unlock()
	f, err := img.Mount("/dev/sda", unboot.ReadOnly())
	if err != nil {
		return fmt.Errorf("the healthy disk: %w", err)
	}
	if data, err := f.ReadFile("contents/hello"); err != nil || string(data) != "hello, world\n" {
		return fmt.Errorf("the healthy disk has %q: %w", data, err)
	}
	if err := img.Rescan(); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("rescan: %w", err)
	}
	if log := img.Kernel().Dmesg(); strings.Contains(log, "WARNING:") || strings.Contains(log, "BUG:") {
		return fmt.Errorf("the kernel complains: %s", rig.LastLog(img.Kernel(), 40))
	}
	if err := img.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	for i, d := range disks {
		if d.writes.Load() > 0 {
			return fmt.Errorf("broken%d was written to", i)
		}
	}
	return ctx.Err()
}

// volumeMutations is how many each kind gets in the normal suite.
const volumeMutations = 6

// TestVolumeMutations breaks the metadata of volumes of each kind again and again, with
// checksums that fit: parsers see what they would otherwise refuse early.
func TestVolumeMutations(t *testing.T) {
	n := volumeMutations
	if testing.Short() {
		n = 3
	}
	seed := seed(t)
	for _, s := range sorts {
		t.Run(s.name, func(t *testing.T) { s.run(t, seed, func(i int) bool { return i < n }) })
	}
}

// TestSoakVolumeMutations goes on for as long as UNBOOT_SOAK says.
func TestSoakVolumeMutations(t *testing.T) {
	value := os.Getenv("UNBOOT_SOAK")
	if value == "" {
		t.Skip("UNBOOT_SOAK does not say how long")
	}
	d, err := time.ParseDuration(value)
	rig.Check(t, "UNBOOT_SOAK", err)
	seed := rand.Uint64()
	for _, s := range sorts {
		t.Run(s.name, func(t *testing.T) {
			until := time.Now().Add(d / time.Duration(len(sorts)))
			s.run(t, seed, func(int) bool { return time.Now().Before(until) })
		})
	}
}

// run mutates the disks of a sort while more says so.
func (s sort) run(t *testing.T, seed uint64, more func(int) bool) {
	var disks []*patched
	for _, path := range s.disks(t) {
		disks = append(disks, newPatched(t, path))
	}
	o := &ordeal{healthy: healthy(t)}
	for _, secret := range s.secrets {
		o.keys = append(o.keys, volume.Key{Kind: volume.Passphrase, Secret: []byte(secret)})
	}
	rig.Check(t, "what is not broken yet", o.open(disks...))
	if o.volumes == 0 && s.name != "btrfs-raid1" && s.name != "bcache" {
		t.Error("what is not broken yet has no volumes")
	}
	n := 0
	for ; more(n); n++ {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		var what []string
		for _, d := range disks {
			clear(d.patches)
			// Most members contradict the others then.
			if rng.IntN(3) > 0 || d == disks[0] {
				what = append(what, s.mutate(rng, d))
			}
		}
		start := time.Now()
		if err := o.open(disks...); err != nil {
			t.Errorf("seed %d, number %d (%q): %+v", seed, n, what, err)
		}
		if took := time.Since(start); took > limit/4 {
			t.Logf("number %d (%q) took %v", n, what, took)
		}
		for _, d := range disks {
			d.size = fullSize(t, d)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("seed %d: %d mutations; %d volumes opened, %d did not", seed, n, o.volumes, o.closed)
}

// fullSize returns the size that a disk has when nothing of it is cut off.
func fullSize(t *testing.T, d *patched) int64 {
	size, err := d.f.Seek(0, io.SeekEnd)
	rig.Check(t, "size", err)
	return size
}
