package qcow2

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// Headers are read as QEMU wrote them.
func TestHeader(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		options string
		want    Header
	}{
		{"", Header{Version: 3, ClusterSize: 65536, Compression: "zlib"}},
		{"compat=0.10", Header{Version: 2, ClusterSize: 65536, Compression: "zlib"}},
		{"compat=0.10,backing_file=b,backing_fmt=raw", Header{Version: 2, ClusterSize: 65536, Compression: "zlib", BackingFile: "b", BackingFormat: "raw"}},
		{"backing_file=nbd://host/x,backing_fmt=raw,compression_type=zstd,cluster_size=512",
			Header{Version: 3, ClusterSize: 512, Compression: "zstd", BackingFile: "nbd://host/x", BackingFormat: "raw"}},
		{"extended_l2=on,cluster_size=2M", Header{Version: 3, ClusterSize: 2 << 20, Compression: "zlib", ExtendedL2: true}},
		{"data_file=" + dir + "/d,data_file_raw=on", Header{Version: 3, ClusterSize: 65536, Compression: "zlib",
			ExternalData: true, DataFile: dir + "/d", RawData: true}},
		{"encrypt.format=luks,encrypt.key-secret=s", Header{Version: 3, ClusterSize: 65536, Compression: "zlib", Encryption: "LUKS"}},
	} {
		t.Run(c.options, func(t *testing.T) {
			image := filepath.Join(dir, "image")
			testimg.Need(t, "qemu-img")
			out, err := testimg.Run("qemu-img", "create", "-q", "-u", "--object", "secret,id=s,data=abc", "-f", "qcow2",
				"-o", strings.TrimSuffix("size=1M,"+c.options, ","), image)
			if err != nil && strings.Contains(out, "CPU usage") {
				t.Skip(out) // its benchmark for LUKS does not always work
			} else if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := ReadHeader(f)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			want.Size = 1 << 20
			want.clusterBits, want.l1Size, want.l1Offset, want.length = got.clusterBits, got.l1Size, got.l1Offset, got.length
			// What is there for writing is compared by the tests that write.
			want.refcountOrder, want.refTable, want.refClusters = got.refcountOrder, got.refTable, got.refClusters
			want.incompatible, want.autoclear, want.encryption = got.incompatible, got.autoclear, got.encryption
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
			_, err = openFile(image, Options{NoBacking: true, Refer: func(disk.Reference) (disk.Device, error) { return nil, nil }})
			switch {
			case want.Encryption != "":
				if !errors.Is(err, ErrEncrypted) {
					t.Error(err)
				}
			case want.ExternalData:
				if !errors.Is(err, disk.ErrNotAllowed) {
					t.Error(err)
				}
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// Headers that say what cannot be, what is not known, or what is wrong.
func TestBadHeaders(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b *builder)
		err    error  // of Open
		want   string // in there
	}{
		{"empty", func(b *builder) { b.b = nil }, ErrFormat, ""},
		{"raw", func(b *builder) { b.b[0] = 0 }, ErrFormat, ""},
		{"version 1", func(b *builder) { b.b[7] = 1 }, ErrFormat, "version 1"},
		{"version 4", func(b *builder) { b.b[7] = 4 }, ErrFormat, "version 4"},
		{"short", func(b *builder) { b.b = b.b[:100] }, ErrDamaged, "100 bytes"},
		{"small clusters", func(b *builder) { b.b[23] = 8 }, ErrDamaged, "2^8"},
		{"large clusters", func(b *builder) { b.b[23] = 22 }, ErrDamaged, "2^22"},
		{"huge clusters", func(b *builder) { b.b[20] = 255 }, ErrDamaged, "clusters of"},
		{"huge disk", func(b *builder) { b.b[24] = 255 }, ErrDamaged, "a disk of"},
		{"small L1 table", func(b *builder) { b.b[24+4] = 1 }, ErrDamaged, "too few"},
		{"no L1 table", func(b *builder) { b.b[39] = 0 }, ErrDamaged, "too few"},
		{"large L1 table", func(b *builder) { b.b[36] = 1 }, ErrDamaged, "an L1 table of 16777217 entries"},
		{"long L1 table", func(b *builder) { b.b[37] = 1 }, ErrDamaged, "past the end of the file"},
		{"L1 table elsewhere", func(b *builder) { b.b[40] = 255 }, ErrDamaged, "the L1 table is at"},
		{"L1 table far away", func(b *builder) { b.b[41] = 255 }, ErrDamaged, "past the end"},
		{"L1 table at no cluster", func(b *builder) { b.b[47] = 8 }, ErrDamaged, "not the start of a cluster"},
		{"AES", func(b *builder) { b.b[35] = 1 }, ErrEncrypted, "(AES)"},
		{"encryption", func(b *builder) { b.b[35] = 9 }, ErrDamaged, "encryption method 9"},
		{"short header", func(b *builder) { b.b[103] = 72 }, ErrDamaged, "a header of 72 bytes"},
		{"long header", func(b *builder) { b.b[101] = 1 }, ErrDamaged, "a header of"},
		{"unknown feature", func(b *builder) { b.b[72] = 0x80 }, ErrFeature, "incompatible feature 63"},
		{"named feature", func(b *builder) {
			b.b[79] = 1 << 6
			b.extension(104, extensionFeatureNames, "\x00\x06thing"+strings.Repeat("\x00", 41)+"\x01\x06other"+strings.Repeat("\x00", 41))
		}, ErrFeature, `"thing"`},
		{"compression without feature", func(b *builder) { b.useZstd(); b.b[79] = 0 }, ErrDamaged, "compression type 1"},
		{"feature without compression", func(b *builder) { b.useZstd(); b.b[104] = 0 }, ErrDamaged, "compression type 0"},
		{"unknown compression", func(b *builder) { b.useZstd(); b.b[104] = 9 }, ErrFeature, "compression type 9"},
		{"small subclusters", func(b *builder) { b.b[79] = featureExtendedL2 }, ErrDamaged, "extended L2"},
		{"long backing name", func(b *builder) { b.put(8, 200); b.b[18] = 4 }, ErrDamaged, "1024 bytes at 200"},
		{"backing name outside", func(b *builder) { b.put(8, 510); b.b[19] = 3 }, ErrDamaged, "3 bytes at 510"},
		{"backing name far away", func(b *builder) { b.b[8] = 255; b.b[19] = 3 }, ErrDamaged, "3 bytes at"},
		{"backing name with zero", func(b *builder) { b.backing("a\x00b", "raw") }, ErrDamaged, "zero byte"},
		{"format with zero", func(b *builder) { b.backing("a", "raw\x00") }, ErrDamaged, "zero byte"},
		{"long format", func(b *builder) { b.backing("a", strings.Repeat("a", 70)) }, ErrDamaged, "a name of 70 bytes"},
		{"long extension", func(b *builder) { b.extension(104, 1, ""); b.b[108] = 255 }, ErrDamaged, "a header extension of"},
		{"unknown extension", func(b *builder) { b.extension(b.extension(104, 1, "abc"), 2, "") }, nil, ""},
		{"dirty", func(b *builder) { b.b[79] = featureDirty }, nil, "(dirty)"},
		{"corrupt", func(b *builder) { b.b[79] = featureCorrupt }, nil, "corrupt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newImage(3)
			c.change(b)
			m, err := New(memory(b.b), "image", Options{NoBacking: true})
			if c.err == nil && err == nil {
				if p := m.Header().Problems(); !strings.Contains(strings.Join(p, "\n"), c.want) || len(p) > 1 {
					t.Errorf("%q", p)
				}
				return
			}
			if c.err == nil || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %v, %q", err, c.err, c.want)
			}
		})
	}
}

// Errors of the file are not taken for damage.
func TestReadError(t *testing.T) {
	b := newImage(3)
	b.data(0, 'a')
	b.data(1, 'b')
	b.backing("a", "raw")
	failed := errors.New("failed")
	for n := range int64(len(b.b)) {
		m, err := New(failing{memory(b.b), n, failed}, "image", Options{NoBacking: true})
		if err == nil {
			_, err = m.ReadAt(make([]byte, 1536), 0)
		}
		if !errors.Is(err, failed) || errors.Is(err, ErrDamaged) {
			t.Fatalf("with an error at %d: %v", n, err)
		}
	}
}

// failing fails to read past a place.
type failing struct {
	memory
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), max(0, f.at-off))
	got, err := f.memory.ReadAt(p[:n], off)
	if err == nil && got < len(p) {
		err = f.err
	}
	if off >= f.Size() {
		err = io.EOF
	}
	return got, err
}
