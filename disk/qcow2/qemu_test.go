package qcow2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// images are made by qemu-img create with these options, and written to at random by
// qemu-io. They must be read as qemu-img convert reads them.
var images = []struct {
	name    string
	options string // of qemu-img create -o
	cluster int64
	size    int64
}{
	{"plain", "", 64 << 10, 40 << 20},
	{"version 2", "compat=0.10", 64 << 10, 20 << 20},
	{"odd size", "", 64 << 10, 5<<20 + 3*512},
	{"512", "cluster_size=512", 512, 3 << 20},
	{"2M", "cluster_size=2M", 2 << 20, 50 << 20},
	{"2M, odd size", "cluster_size=2M", 2 << 20, 33<<20 + 512},
	{"4K", "cluster_size=4K", 4096, 20 << 20},
	{"zstd", "compression_type=zstd", 64 << 10, 30 << 20},
	{"zstd 2M", "compression_type=zstd,cluster_size=2M", 2 << 20, 50 << 20},
	{"zstd 512", "compression_type=zstd,cluster_size=512", 512, 1 << 20},
	{"subclusters", "extended_l2=on", 64 << 10, 30 << 20},
	{"subclusters 16K", "extended_l2=on,cluster_size=16K", 16 << 10, 30 << 20},
	{"subclusters 2M zstd", "extended_l2=on,cluster_size=2M,compression_type=zstd", 2 << 20, 60 << 20},
	{"data file", "data_file=DIR/data", 64 << 10, 20 << 20},
	{"raw data file", "data_file=DIR/data,data_file_raw=on", 64 << 10, 20 << 20},
	{"data file with subclusters", "data_file=DIR/data,extended_l2=on", 64 << 10, 20 << 20},
	{"preallocated", "preallocation=metadata", 64 << 10, 20 << 20},
	{"preallocated, subclusters", "preallocation=metadata,extended_l2=on", 64 << 10, 20 << 20},
	{"full", "preallocation=falloc", 64 << 10, 4 << 20},
	{"lazy", "lazy_refcounts=on", 64 << 10, 4 << 20},
	{"1 bit", "refcount_bits=1", 64 << 10, 4 << 20},
	{"64 bits", "refcount_bits=64", 64 << 10, 4 << 20},
	{"huge", "", 64 << 10, 8 << 40},
}

func TestQemu(t *testing.T) {
	for i, c := range images {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			image := filepath.Join(dir, "image")
			create(t, image, strings.ReplaceAll(c.options, "DIR", dir), c.size)
			w := &qemuWriter{rand: rand.New(rand.NewPCG(1, uint64(i))), cluster: c.cluster, size: c.size}
			w.compress = !strings.Contains(c.options, "data_file")
			w.write(t, image, 60)
			check(t, image, c.size)
		})
	}
}

// An image that qemu-img compressed.
func TestQemuCompressed(t *testing.T) {
	for _, options := range []string{"compression_type=zlib", "compression_type=zstd", "compression_type=zstd,cluster_size=4K",
		"cluster_size=2M", "compat=0.10", "cluster_size=512", "extended_l2=on"} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, image := filepath.Join(dir, "from"), filepath.Join(dir, "image")
			data := mixed(rand.New(rand.NewPCG(2, 2)), 6<<20+1024)
			if err := os.WriteFile(from, data, 0o644); err != nil {
				t.Fatal(err)
			}
			testimg.MustRun(t, "qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", "-o", options, from, image)
			m := open(t, image)
			if got := readAll(t, m); !bytes.Equal(got, data) {
				t.Error("differs from what was compressed")
			}
			compressed := int64(0)
			for e, err := range m.Extents(0, m.Size()) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Kind == disk.Compressed {
					compressed += e.Size
				}
			}
			if compressed == 0 {
				t.Error("nothing is compressed")
			}
			compareReads(t, m, data)
		})
	}
}

// Chains of images of different formats, sizes and cluster sizes.
func TestQemuChain(t *testing.T) {
	for i, c := range []struct {
		name   string
		layers []string // "raw" or options of qcow2; the first is at the bottom
		sizes  []int64
	}{
		{"on raw", []string{"raw", ""}, []int64{10 << 20, 10 << 20}},
		{"larger than raw", []string{"raw", ""}, []int64{5<<20 + 512, 10 << 20}},
		{"smaller than raw", []string{"raw", ""}, []int64{10 << 20, 3 << 20}},
		{"three", []string{"", "cluster_size=4K", "extended_l2=on"}, []int64{10 << 20, 12 << 20, 14 << 20}},
		{"short in the middle", []string{"", "compression_type=zstd", ""}, []int64{10 << 20, 3<<20 + 1024, 14 << 20}},
		{"version 2", []string{"raw", "compat=0.10", "compat=0.10"}, []int64{8 << 20, 8 << 20, 8 << 20}},
		{"subclusters", []string{"raw", "extended_l2=on,cluster_size=128K"}, []int64{8 << 20, 9 << 20}},
		{"many", []string{"", "", "", "", "", "", "", "", ""},
			[]int64{4 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			random := rand.New(rand.NewPCG(3, uint64(i)))
			var image string
			for n, options := range c.layers {
				below := filepath.Base(image)
				image = filepath.Join(dir, fmt.Sprint("layer", n))
				switch {
				case options == "raw":
					if err := os.WriteFile(image, mixed(random, int(c.sizes[n])), 0o644); err != nil {
						t.Fatal(err)
					}
					continue
				case n > 0:
					format := "qcow2"
					if c.layers[n-1] == "raw" {
						format = "raw"
					}
					// By a relative name.
					if options != "" {
						options += ","
					}
					options += "backing_file=" + below + ",backing_fmt=" + format
				}
				create(t, image, options, c.sizes[n])
				cluster := int64(64 << 10)
				w := &qemuWriter{rand: random, cluster: cluster, size: c.sizes[n]}
				w.write(t, image, 20)
			}
			check(t, image, c.sizes[len(c.sizes)-1])
		})
	}
}

// An image with snapshots reads as it is now; a snapshot's clusters are still shared.
func TestQemuSnapshots(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	create(t, image, "", 10<<20)
	w := &qemuWriter{rand: rand.New(rand.NewPCG(4, 4)), cluster: 64 << 10, size: 10 << 20}
	for i := range 3 {
		w.write(t, image, 20)
		testimg.MustRun(t, "qemu-img", "snapshot", "-c", fmt.Sprint("snap", i), image)
	}
	w.write(t, image, 10)
	check(t, image, 10<<20)
	if n := open(t, image).Header().Snapshots; n != 3 {
		t.Errorf("%d snapshots", n)
	}
}

func create(t *testing.T, image, options string, size int64) {
	t.Helper()
	args := []string{"create", "-q", "-f", "qcow2"}
	if options != "" {
		args = append(args, "-o", options)
	}
	testimg.MustRun(t, "qemu-img", append(args, image, fmt.Sprint(size))...)
}

// qemuWriter writes to an image at random.
type qemuWriter struct {
	rand     *rand.Rand
	cluster  int64
	size     int64
	compress bool
}

func (w *qemuWriter) write(t *testing.T, image string, n int) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, mixed(w.rand, 300<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	var args []string
	for range n {
		length := (1 + w.rand.Int64N(min(w.size, 600<<10)/512)) * 512
		off := w.rand.Int64N((w.size-length)/512+1) * 512
		var c string
		switch kind := w.rand.IntN(10); {
		case kind < 3:
			c = fmt.Sprintf("write -P %d %d %d", w.rand.IntN(256), off, length)
		case kind < 5:
			c = fmt.Sprintf("write -s %s %d %d", source, off, length)
		case kind < 6:
			c = fmt.Sprintf("write -z %d %d", off, length)
		case kind < 7:
			c = fmt.Sprintf("write -z -u %d %d", off, length)
		case kind < 8:
			c = fmt.Sprintf("discard %d %d", off, length)
		case !w.compress || w.size < w.cluster:
			c = fmt.Sprintf("write -P %d %d %d", w.rand.IntN(256), off, length)
		default:
			off = w.rand.Int64N(w.size/w.cluster) * w.cluster
			c = fmt.Sprintf("write -c -s %s %d %d", source, off, w.cluster)
		}
		args = append(args, "-c", c)
	}
	// At the end, where the last cluster may be a part of one.
	args = append(args, "-c", fmt.Sprintf("write -P 77 %d 512", w.size-512))
	testimg.Need(t, "qemu-io")
	out, err := testimg.Run("qemu-io", append(args, "-f", "qcow2", image)...)
	// Qemu does not compress a cluster that is there already, which is an error.
	failed := strings.Count(out, "write failed: Input/output error")
	if failed == 0 && err != nil || failed > strings.Count(fmt.Sprint(args), "write -c") {
		t.Fatal(err)
	}
}

// mixed returns data of which some compresses, some does not, and some is zeros.
func mixed(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		part := make([]byte, 512*(1+r.IntN(200)))
		switch r.IntN(4) {
		case 0: // zeros
		case 1:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		default:
			word := fmt.Sprintf("some text %d ", r.IntN(1000))
			for i := range part {
				part[i] = word[i%len(word)] + byte(r.IntN(30)/29)
			}
		}
		b = append(b, part...)
	}
	return b[:n]
}

func open(t *testing.T, image string) *Image {
	t.Helper()
	m, err := openFile(image, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func readAll(t *testing.T, d disk.Device) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check compares an image with what qemu-img makes of it.
func check(t *testing.T, image string, size int64) {
	t.Helper()
	m := open(t, image)
	if m.Size() != size {
		t.Fatalf("%d bytes, want %d", m.Size(), size)
	}
	compareMap(t, m, image)
	raw := filepath.Join(t.TempDir(), "raw")
	testimg.MustRun(t, "qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", image, raw)
	if size > 1<<30 {
		compareSparse(t, m, raw)
		return
	}
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	compareReads(t, m, want)
}

// compareSparse compares what is there, of a huge image.
func compareSparse(t *testing.T, m *Image, raw string) {
	t.Helper()
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := int64(0)
	for e, err := range m.Extents(0, m.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		size := min(e.Size, 4<<20)
		got, want := make([]byte, size), make([]byte, size)
		if _, err := m.ReadAt(got, e.Start); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(want, e.Start); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("differs at %d", e.Start)
		}
		n += e.Size
	}
	if n != m.Size() {
		t.Errorf("extents of %d bytes, of %d", n, m.Size())
	}
}

// compareReads reads from several goroutines, at random and from start to end.
func compareReads(t *testing.T, m *Image, want []byte) {
	t.Helper()
	if got := readAll(t, m); !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("differs at %d (%d and %d bytes)", at, len(got), len(want))
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(i)))
			for range 200 {
				off := r.IntN(len(want))
				b := make([]byte, r.IntN(min(len(want)-off, 256<<10)+1))
				if r.IntN(4) == 0 { // a whole cluster
					off = off / m.h.ClusterSize * m.h.ClusterSize
					b = make([]byte, min(m.h.ClusterSize, len(want)-off))
				}
				if n, err := m.ReadAt(b, int64(off)); n != len(b) || err != nil {
					t.Errorf("read %d bytes at %d: %d, %v", len(b), off, n, err)
				}
				if !bytes.Equal(b, want[off:off+len(b)]) {
					t.Errorf("%d bytes at %d differ", len(b), off)
				}
			}
		})
	}
	wg.Wait()
	b := bytes.Repeat([]byte{1}, 1024)
	n, err := m.ReadAt(b, m.Size()-512)
	if n != 512 || err != io.EOF || !bytes.Equal(b[:512], want[len(want)-512:]) {
		t.Errorf("read over the end: %d, %v", n, err)
	}
	if n, err := m.ReadAt(b, m.Size()); n != 0 || err != io.EOF {
		t.Errorf("read at the end: %d, %v", n, err)
	}
}

// compareMap compares the extents with those of qemu-img map, which also looks for
// holes in files.
func compareMap(t *testing.T, m *Image, image string) {
	t.Helper()
	var want []struct {
		Start, Length int64
		Depth         int
		Zero, Data    bool
		Offset        *int64
	}
	out := testimg.MustRun(t, "qemu-img", "map", "-f", "qcow2", "--output=json", image)
	if err := json.Unmarshal([]byte(out), &want); err != nil {
		t.Fatal(err)
	}
	var end int64
	i := 0
	for e, err := range m.Extents(0, m.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Start != end || e.Size <= 0 {
			t.Fatalf("extent %+v follows %d", e, end)
		}
		end += e.Size
		for at := e.Start; at < end; {
			for i < len(want) && want[i].Start+want[i].Length <= at {
				i++
			}
			if i == len(want) {
				t.Fatalf("qemu-img has nothing at %d", at)
			}
			w := want[i]
			switch e.Kind {
			case disk.Hole, disk.Zero:
				if !w.Zero {
					t.Errorf("%+v at %d, qemu-img has %+v", e, at, w)
				}
			case disk.Compressed:
				if w.Zero || !w.Data || w.Depth != e.Depth {
					t.Errorf("%+v at %d, qemu-img has %+v", e, at, w)
				}
			case disk.Data:
				offset := e.Offset + at - e.Start
				if w.Depth != e.Depth || w.Offset != nil && *w.Offset+at-w.Start != offset || w.Offset == nil && !w.Zero {
					t.Errorf("%+v at %d, qemu-img has %+v", e, at, w)
				}
			}
			at = min(end, w.Start+w.Length)
		}
	}
	if end != m.Size() {
		t.Errorf("the extents end at %d", end)
	}
}
