package unboot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// passphrases returns an option with these as the keys for everything.
func passphrases(list ...string) Option {
	return Keys(func(d *Device, try int) (volume.Key, error) {
		if try >= len(list) || d.Content == nil {
			return volume.Key{}, ErrNoKey
		}
		return volume.Key{Kind: volume.Passphrase, Secret: []byte(list[try])}, nil
	})
}

// encrypted are options of qemu-img create, and what encrypts.
var encrypted = []struct{ options, driver string }{
	{"encrypt.format=luks,encrypt.iter-time=10", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,cluster_size=512", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,extended_l2=on", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,compat=0.10,encrypt.cipher-alg=aes-128", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha512", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,data_file=DIR/data", "luks"},
	{"encrypt.format=luks,encrypt.iter-time=10,backing_file=DIR/base,backing_fmt=raw", "luks"},
	{"encrypt.format=aes", "aes"},
}

// An encrypted qcow2 image is read as QEMU reads it, and written to so that QEMU reads what
// was written; the old AES is read. Programs are random.
func TestEncryptedQcow2(t *testing.T) {
	testimg.Need(t, "qemu-img", "qemu-io")
	for i, c := range encrypted {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			e := &encryptedImage{t: t, dir: t.TempDir(), format: c.driver, rand: rand.New(rand.NewPCG(1, uint64(i)))}
			e.image = filepath.Join(e.dir, "image")
			e.want = make([]byte, 3<<20+512)
			base := bytes.Repeat([]byte("base"), 1<<18)
			if err := os.WriteFile(filepath.Join(e.dir, "base"), base, 0o644); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.options, "base") {
				copy(e.want, base)
			}
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=passphrase", "-o",
				strings.ReplaceAll(c.options, "DIR", e.dir)+",encrypt.key-secret=s", e.image, fmt.Sprint(len(e.want)))
			e.qemus()
			e.compare()
			if c.driver == "luks" {
				e.ours()
				e.qemus()
				e.compare()
			}
			e.refused()
		})
	}
}

type encryptedImage struct {
	t          *testing.T
	rand       *rand.Rand
	dir, image string
	format     string
	want       []byte
}

// part returns a part of the disk, with data for it, which it has from now on.
func (e *encryptedImage) part() (off int, b []byte) {
	n := 512 * (1 + e.rand.IntN(600))
	off = e.rand.IntN((len(e.want)-n)/512+1) * 512
	b = bytes.Repeat([]byte{byte(e.rand.Uint32())}, n)
	copy(e.want[off:], b)
	return off, b
}

// options are those by which QEMU opens the image.
func (e *encryptedImage) options() string {
	return "driver=qcow2,file.filename=" + e.image + ",encrypt.format=" + e.format + ",encrypt.key-secret=s"
}

func (e *encryptedImage) qemus() {
	e.t.Helper()
	args := []string{"--object", "secret,id=s,data=passphrase", "--image-opts"}
	for range 5 {
		off, b := e.part()
		args = append(args, "-c", fmt.Sprintf("write -P %d %d %d", b[0], off, len(b)))
	}
	testimg.MustRun(e.t, "qemu-io", append(args, e.options())...)
}

func (e *encryptedImage) open(o source.Options, keys ...string) (disk.Device, error) {
	o.Allow = func(disk.Reference) error { return nil }
	if keys != nil {
		o.Unlock = Unlock(context.Background(), passphrases(keys...))
	}
	return source.Open(context.Background(), e.image, o)
}

func (e *encryptedImage) ours() {
	t := e.t
	t.Helper()
	d, err := e.open(source.Options{Writable: true}, "wrong", "passphrase")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		off, b := e.part()
		switch e.rand.IntN(6) {
		case 0:
			z, _ := disk.As[disk.ZeroWriter](d)
			err = z.WriteZeroes(int64(off), int64(len(b)))
			clear(e.want[off : off+len(b)])
		case 1:
			c, _ := disk.As[disk.CompressedWriter](d)
			n := int(c.CompressUnit())
			off = off / n * n
			if off+n > len(e.want) {
				n = len(e.want) - off
			}
			b = bytes.Repeat([]byte{7}, n)
			// What part has noted is written too.
			if _, err = d.WriteAt(e.want[off/512*512:], int64(off/512*512)); err == nil {
				err = c.WriteCompressed(b, int64(off))
			}
			copy(e.want[off:], b)
		default:
			_, err = d.WriteAt(b, int64(off))
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.rand.IntN(5) == 0 {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// compare compares what both sides read.
func (e *encryptedImage) compare() {
	t := e.t
	t.Helper()
	raw := filepath.Join(e.dir, "raw")
	testimg.MustRun(t, "qemu-img", "convert", "-q", "--object", "secret,id=s,data=passphrase", "--image-opts", "-O", "raw", e.options(), raw)
	if got, err := os.ReadFile(raw); err != nil || !bytes.Equal(got, e.want) {
		t.Fatalf("QEMU reads something else, %v", err)
	}
	if out, err := testimg.Run("qemu-img", "check", "-q", "--object", "secret,id=s,data=passphrase", "--image-opts", e.options()); err != nil {
		t.Fatal(err, out)
	}
	d, err := e.open(source.Options{}, "passphrase")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got := make([]byte, len(e.want))
	if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, e.want) {
		t.Fatalf("differs, %v", err)
	}
	for range 20 { // not whole sectors
		off := e.rand.IntN(len(e.want))
		n := e.rand.IntN(min(len(e.want)-off, 100<<10) + 1)
		if _, err := d.ReadAt(got[:n], int64(off)); err != nil || !bytes.Equal(got[:n], e.want[off:off+n]) {
			t.Fatalf("%d bytes at %d differ, %v", n, off, err)
		}
	}
}

// refused opens the image without a key, and with a wrong one.
func (e *encryptedImage) refused() {
	t := e.t
	if _, err := e.open(source.Options{}); !errors.Is(err, disk.ErrEncrypted) || !strings.Contains(err.Error(), e.image) {
		t.Error(err)
	}
	if _, err := e.open(source.Options{}, []string{}...); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if e.format == "aes" {
		if _, err := e.open(source.Options{Writable: true}, "passphrase"); err == nil || !strings.Contains(err.Error(), "only be read") {
			t.Error(err)
		}
		return
	}
	_, err := e.open(source.Options{}, "wrong", "also wrong")
	if l, ok := errors.AsType[*LockedError](err); !ok || l.Lock.Tried != 2 || !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if _, err := Open(context.Background(), e.image, BackingFiles(func(string) error { return nil })); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
}
