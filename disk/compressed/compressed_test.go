package compressed_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/compressed"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

// pack compresses by a program.
func pack(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	testimg.Need(t, args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(args, err)
	}
	return out
}

// seekable compresses in frames, with a table of the seekable format of zstd.
func seekable(t testing.TB, in []byte, frame int, checksums bool) []byte {
	var out, table []byte
	le := binary.LittleEndian
	frames := 0
	for ; len(in) > 0; frames++ {
		n := min(frame, len(in))
		z := pack(t, in[:n], "zstd", "-c")
		in = in[n:]
		out = append(out, z...)
		table = le.AppendUint32(table, uint32(len(z)))
		table = le.AppendUint32(table, uint32(n))
		if checksums {
			table = le.AppendUint32(table, 0)
		}
	}
	table = le.AppendUint32(table, uint32(frames))
	table = append(table, map[bool]byte{true: 0x80}[checksums])
	table = le.AppendUint32(table, 0x8F92EAB1)
	out = le.AppendUint32(out, 0x184D2A5E)
	return append(le.AppendUint32(out, uint32(len(table))), table...)
}

// All kinds, with and without pieces that can be read alone.
func TestKinds(t *testing.T) {
	content := imgtest.Content(1<<20+512, 2)
	half := 1 << 19
	for name, c := range map[string]struct {
		format string
		pieces bool
		b      []byte
	}{
		"gzip":        {"gzip", false, pack(t, content, "gzip", "-c")},
		"two gzips":   {"gzip", false, append(pack(t, content[:half], "gzip", "-c"), pack(t, content[half:], "gzip", "-c")...)},
		"bzip2":       {"bzip2", false, pack(t, content, "bzip2", "-c")},
		"xz":          {"xz", false, pack(t, content, "xz", "-1", "-T1", "-c")},
		"xz blocks":   {"xz", true, pack(t, content, "xz", "-1", "--block-size=200000", "-c")},
		"xz sha256":   {"xz", true, pack(t, content, "xz", "-1", "--check=sha256", "--block-size=200000", "-c")},
		"two xz":      {"xz", true, append(append(pack(t, content[:half], "xz", "-1", "-c"), make([]byte, 8)...), pack(t, content[half:], "xz", "-1", "-c")...)},
		"xz checks":   {"xz", false, append(pack(t, content[:half], "xz", "-1", "--check=crc32", "-c"), pack(t, content[half:], "xz", "-1", "-c")...)},
		"zstd":        {"zstd", false, pack(t, content, "zstd", "-c")},
		"zstd frames": {"zstd", true, seekable(t, content, 300000, false)},
		"zstd sums":   {"zstd", true, seekable(t, content, 300000, true)},
		"lzop":        {"lzop", true, pack(t, content, "lzop", "-c")},
		"lzop -9":     {"lzop", true, pack(t, content, "lzop", "-9", "--crc32", "-c")},
		"two lzops":   {"lzop", true, append(pack(t, content[:half], "lzop", "-c"), pack(t, content[half:], "lzop", "-7", "-c")...)},
		"lzop sums":   {"lzop", false, append(pack(t, content[:half], "lzop", "-c"), pack(t, content[half:], "lzop", "--crc32", "-c")...)},
	} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(imgtest.Write(t, map[string][]byte{"image": c.b}), "image")
			imgtest.Same(t, imgtest.Open(t, "", image, false), content)
			d := imgtest.Open(t, c.format, image, false)
			defer d.Close()
			if _, spooled := disk.As[disk.HostFile](d); spooled == c.pieces {
				t.Errorf("decompressed as a whole: %v", spooled)
			}
			info, err := source.Stat(context.Background(), image, source.Options{})
			if err != nil || info.Size != int64(len(content)) || info.Format != c.format {
				t.Errorf("%+v, %v", info, err)
			}
		})
	}
}

// bgzip's blocks are read alone.
func TestBGZF(t *testing.T) {
	testimg.Need(t, "bgzip")
	content := imgtest.Content(1<<20, 2)
	image := filepath.Join(imgtest.Write(t, map[string][]byte{"image": pack(t, content, "bgzip", "-c")}), "image")
	d := imgtest.Open(t, "", image, false)
	if _, spooled := disk.As[disk.HostFile](d); spooled {
		t.Error("it is decompressed as a whole")
	}
	imgtest.Same(t, d, content)
}

// Zeros take up no room in the file that is decompressed to, which has no name.
func TestSparse(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	const size = 64 << 20
	b := pack(t, append(bytes.Repeat([]byte("x"), 4096), make([]byte, size)...), "zstd", "-c")
	d, err := compressed.Kind("zstd").Open(testdisk.ReadOnly(b), "image.zst", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, _ := disk.As[disk.HostFile](d)
	if d.Size() != size+4096 {
		t.Errorf("%d bytes", d.Size())
	}
	if used := blocks(t, f.File()); used > 1<<20 {
		t.Errorf("%d bytes are used", used)
	}
	if names, err := os.ReadDir(tmp); err != nil || len(names) != 0 {
		t.Error(names, err)
	}
}

// What is no raw disk inside is named.
func TestContent(t *testing.T) {
	for want, content := range map[string]string{
		"qcow2 (compressed by gzip)": "QFI\xfb\x00\x00\x00\x03",
		"tar (compressed by gzip)":   strings.Repeat("\x00", 257) + "ustar",
	} {
		b := make([]byte, 4096)
		copy(b, content)
		_, err := compressed.Kind("gzip").Open(testdisk.ReadOnly(pack(t, b, "gzip", "-c")), "image.gz", nil)
		if _, ok := errors.AsType[*disk.FormatError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := compressed.Kind("gzip").Open(testdisk.ReadOnly(pack(t, []byte("a text"), "gzip", "-c")), "image.gz", nil); !errors.Is(err, disk.ErrTooSmall) {
		t.Error(err)
	}
}

// What is cut off, or changed, is an error.
func TestDamage(t *testing.T) {
	content := imgtest.Content(1<<20, 2)
	for kind, list := range map[compressed.Kind][][]byte{
		"gzip":  {pack(t, content, "gzip", "-c")},
		"bzip2": {pack(t, content, "bzip2", "-c")},
		"xz":    {pack(t, content, "xz", "-1", "-T1", "-c"), pack(t, content, "xz", "-1", "--block-size=200000", "-c")},
		"zstd":  {pack(t, content, "zstd", "-c", "--check"), seekable(t, content, 300000, false)},
		"lzop":  {pack(t, content, "lzop", "-c"), pack(t, content[:1<<18], "lzop", "-c")},
	} {
		for i, good := range list {
			damaged := bytes.Clone(good)
			for j := range 100 {
				damaged[len(good)/2+j] ^= 0x55
			}
			for j, b := range [][]byte{good[:len(good)-3], good[:len(good)/2], good[:20], damaged} {
				d, err := kind.Open(testdisk.ReadOnly(b), "image.z", nil)
				if err == nil {
					_, err = d.ReadAt(make([]byte, d.Size()), 0)
					d.Close()
				}
				if !errors.Is(err, compressed.ErrDamaged) || !strings.Contains(err.Error(), "image.z") {
					t.Errorf("%s, %d, %d: %v", kind, i, j, err)
				}
			}
		}
	}
}

func FuzzImage(f *testing.F) {
	content := imgtest.Content(20000, 1)
	for _, args := range []string{"gzip -c", "bzip2 -c", "xz -1 -T1 -c", "xz -1 --block-size=4096 -c", "zstd -c", "lzop -c"} {
		f.Add(pack(f, content, strings.Fields(args)...))
	}
	f.Add(seekable(f, content, 4096, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"gzip", "bzip2", "xz", "zstd", "lzop"} {
			if head := append(b[:len(b):len(b)], make([]byte, 512)...); compressed.Kind(name).Match(head, nil) {
				imgtest.Fuzz(t, name, b, nil)
			}
		}
	})
}
