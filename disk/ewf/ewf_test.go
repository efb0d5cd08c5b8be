package ewf_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/ewf"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

// acquire makes an image of a content with ewfacquire, and returns the path of its first
// segment, whose extension is ext.
func acquire(t testing.TB, content []byte, ext string, options ...string) string {
	t.Helper()
	testimg.Need(t, "ewfacquire")
	dir := imgtest.Write(t, map[string][]byte{"raw": content})
	target := filepath.Join(dir, "image")
	args := append([]string{"-q", "-u", "-t", target, "-S", "1500MiB"}, options...)
	testimg.MustRun(t, "ewfacquire", append(args, filepath.Join(dir, "raw"))...)
	return target + ext
}

// Images of all kinds that ewfacquire makes.
func TestAcquired(t *testing.T) {
	for i, c := range []struct {
		ext     string
		options string
		size    int
	}{
		{".E01", "-f encase6 -c deflate:none", 3<<20 + 512},
		{".E01", "-f encase6 -c deflate:fast -b 32", 3 << 20},
		{".E01", "-f encase5 -c deflate:best -b 1024", 2<<20 + 3*512},
		{".E01", "-f encase1 -c deflate:empty-block", 1 << 20},
		{".E01", "-f ftk -c deflate:fast", 70000 / 512 * 512},
		{".E01", "-f linen7 -c deflate:fast -d sha1", 1 << 20},
		{".s01", "-f smart -c deflate:fast", 3<<20 + 512},
		{".E01", "-f encase6 -c deflate:none -P 4096", 1 << 20},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			content := imgtest.Content(c.size, uint64(i))
			options := strings.Fields(c.options)
			image := acquire(t, content, c.ext, options...)
			imgtest.Same(t, imgtest.Open(t, "ewf", image, false), content)
		})
	}
}

// A disk in segments is opened by any of them, and only with leave.
func TestSegments(t *testing.T) {
	content := imgtest.Content(8<<20, 3)
	image := acquire(t, content, ".E01", "-f", "encase6", "-c", "deflate:none", "-S", "1048576")
	for _, name := range []string{image, strings.TrimSuffix(image, "1") + "3"} {
		if _, err := source.Open(context.Background(), name, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
		imgtest.Same(t, imgtest.Open(t, "ewf", name, false), content)
	}
	info, err := source.Stat(context.Background(), image, source.Options{})
	if err != nil || info.Size != int64(len(content)) || len(info.References) != 1 || filepath.Base(info.References[0].Path) != "image.E02" {
		t.Errorf("%+v, %v", info, err)
	}
	allow := source.Options{Allow: func(disk.Reference) error { return nil }}
	third := strings.TrimSuffix(image, "1") + "3"
	// One that is another's, and one that is not there.
	other := acquire(t, content[:4<<20], ".E01", "-f", "encase6", "-c", "deflate:none", "-S", "1048576")
	if err := os.Rename(strings.TrimSuffix(other, "1")+"3", third); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(context.Background(), image, allow); !errors.Is(err, ewf.ErrSegment) {
		t.Error(err)
	}
	os.Remove(third)
	if _, err := source.Open(context.Background(), image, allow); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "image.E03") {
		t.Error(err)
	}
}

// The hash sums are those of the content, and Check finds what does not fit them.
func TestCheck(t *testing.T) {
	content := imgtest.Content(2<<20, 5)
	image := acquire(t, content, ".E01", "-f", "encase6", "-c", "deflate:none", "-d", "sha1")
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ewf.Check(testdisk.ReadOnly(b), image, disk.RepairNothing); err != nil || r.Errors != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	m, err := ewf.New(testdisk.ReadOnly(b), image, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("ewfinfo", image).Output()
	for _, sum := range [][]byte{m.Hashes().MD5, m.Hashes().SHA1} {
		if len(sum) == 0 || !strings.Contains(string(out), fmt.Sprintf("%x", sum)) {
			t.Errorf("%x is not in what ewfinfo says:\n%s", sum, out)
		}
	}
	at := bytes.Index(b, content[:100]) + 70000
	b[at] ^= 1
	r, err := ewf.Check(testdisk.ReadOnly(b), image, disk.RepairNothing)
	if err != nil || r.Errors != 1 || !strings.Contains(r.Problems[0], "chunk 2 at") {
		t.Errorf("%+v, %v", r, err)
	}
}

// Whatever byte is wrong, reading is an error that wraps ErrDamaged, or right: all that
// matters has a checksum.
func TestDamage(t *testing.T) {
	for _, options := range []string{"deflate:none", "deflate:fast"} {
		content := imgtest.Content(200000/512*512, 9)
		image := acquire(t, content, ".E01", "-f", "encase6", "-c", options)
		good, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(good); at += 1 + at%397 {
			b := bytes.Clone(good)
			b[at] ^= 0x55
			got := make([]byte, len(content))
			m, err := ewf.New(testdisk.ReadOnly(b), image, nil)
			if err == nil {
				_, err = m.ReadAt(got, 0)
			}
			if err == nil && !bytes.Equal(got, content) {
				t.Errorf("%s: %d is wrong, and so is the content", options, at)
			}
			if err != nil && !errors.Is(err, ewf.ErrDamaged) && !errors.Is(err, ewf.ErrFormat) && !errors.Is(err, disk.ErrNotAllowed) && at > 13 {
				t.Errorf("%s: %d: %v", options, at, err)
			}
		}
		for _, size := range []int{10, 13, 500, len(good) / 2, len(good) - 100} {
			if _, err := ewf.New(testdisk.ReadOnly(good[:size]), image, nil); !errors.Is(err, ewf.ErrDamaged) || !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	}
}

func FuzzImage(f *testing.F) {
	content := imgtest.Content(100000/512*512, 1)
	for i, o := range []string{"encase6 deflate:none", "encase6 deflate:fast", "smart deflate:fast"} {
		o := strings.Fields(o)
		ext := ".E01"
		if i == 2 {
			ext = ".s01"
		}
		b, err := os.ReadFile(acquire(f, content, ext, "-f", o[0], "-c", o[1]))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "ewf", b, nil) })
}
