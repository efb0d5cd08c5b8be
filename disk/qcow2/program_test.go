package qcow2

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// programs are the kinds of images that random programs run on: options of qemu-img
// create, and the size of clusters.
var programs = []struct {
	options string
	cluster int
}{
	{"", 64 << 10},
	{"compat=0.10", 64 << 10},
	{"cluster_size=512", 512},
	{"cluster_size=512,refcount_bits=64", 512},
	{"cluster_size=4K,refcount_bits=1", 4096},
	{"cluster_size=2M", 2 << 20},
	{"extended_l2=on", 64 << 10},
	{"extended_l2=on,cluster_size=16K,refcount_bits=8", 16 << 10},
	{"refcount_bits=2", 64 << 10},
	{"refcount_bits=32,lazy_refcounts=on", 64 << 10},
	{"preallocation=metadata", 64 << 10},
	{"preallocation=metadata,extended_l2=on", 64 << 10},
	{"data_file=DIR/data", 64 << 10},
	{"data_file=DIR/data,data_file_raw=on", 64 << 10},
	{"data_file=DIR/data,extended_l2=on", 64 << 10},
	{"backing_file=DIR/base,backing_fmt=raw", 64 << 10},
	{"backing_file=DIR/base,backing_fmt=raw,extended_l2=on", 64 << 10},
	{"backing_file=DIR/base,backing_fmt=raw,cluster_size=4K,refcount_bits=4", 4096},
	{"backing_file=DIR/base,backing_fmt=raw,compat=0.10", 64 << 10},
	{"compression_type=zstd,cluster_size=8K", 8192},
}

// Programs of writes, discards, zeroes, snapshots, growth and flushes, by this package and by
// QEMU in turn: the image has what it should after each turn, and qemu-img check finds
// nothing. UNBOOT_PROGRAMS is how many there are, and UNBOOT_RANDOM_SEED what they
// depend on.
func TestPrograms(t *testing.T) {
	testimg.Need(t, "qemu-img", "qemu-io")
	seed := testimg.Seed(t)
	for i := range testimg.Count(t, len(programs)) {
		kind := programs[i%len(programs)]
		t.Run(fmt.Sprintf("%d %s", i, strings.NewReplacer("DIR/", "", ",", " ", "=", " ").Replace(kind.options)), func(t *testing.T) {
			t.Parallel()
			newProgram(t, kind.options, kind.cluster, rand.New(rand.NewPCG(uint64(seed), uint64(i)))).run()
		})
	}
}

// program is a random program that runs on an image.
type program struct {
	t         *testing.T
	rand      *rand.Rand
	dir       string
	image     string
	options   string
	cluster   int
	want      []byte // content of the disk
	snapshots map[string][]byte
	source    string // a file with data to write
	sourceHas []byte
}

func newProgram(t *testing.T, options string, cluster int, r *rand.Rand) *program {
	p := &program{t: t, rand: r, dir: t.TempDir(), options: options, cluster: cluster, snapshots: map[string][]byte{}}
	p.image, p.source = filepath.Join(p.dir, "image"), filepath.Join(p.dir, "source")
	size := 512 * (1 + r.IntN(6*2048))
	if cluster > 1<<20 {
		size *= 4
	}
	if cluster < 4096 {
		size = size/4&^511 + 512
	}
	p.want = make([]byte, size)
	if strings.Contains(options, "base") {
		base := mixed(r, 512*(1+r.IntN(size/512*3/2)))
		if err := os.WriteFile(filepath.Join(p.dir, "base"), base, 0o644); err != nil {
			t.Fatal(err)
		}
		copy(p.want, base)
	}
	p.sourceHas = mixed(r, 400<<10)
	if err := os.WriteFile(p.source, p.sourceHas, 0o644); err != nil {
		t.Fatal(err)
	}
	create(t, p.image, strings.ReplaceAll(options, "DIR", p.dir), int64(size))
	return p
}

func (p *program) run() {
	for turn := range 4 + p.rand.IntN(3) {
		if turn%2 == 0 {
			p.ours()
		} else {
			p.qemus()
		}
		p.verify(fmt.Sprint("turn ", turn))
		if p.t.Failed() {
			return
		}
		p.snapshot()
	}
}

// part returns a part of the disk.
func (p *program) part() (off, n int) {
	size := len(p.want) / 512
	n = 1 + p.rand.IntN(min(size, len(p.sourceHas)/512))
	if p.rand.IntN(2) == 0 {
		n = 1 + p.rand.IntN(min(n, 16))
	}
	off = p.rand.IntN(size - n + 1)
	if p.rand.IntN(4) == 0 { // whole clusters
		off = off * 512 / p.cluster * p.cluster / 512
		n = min((n*512+p.cluster-1)/p.cluster*p.cluster/512, size-off, len(p.sourceHas)/512)
	}
	return off * 512, n * 512
}

// data returns so many bytes to write.
func (p *program) data(n int) []byte {
	if p.rand.IntN(3) == 0 {
		return bytes.Repeat([]byte{byte(p.rand.IntN(256))}, n)
	}
	at := p.rand.IntN(len(p.sourceHas) - n + 1)
	return p.sourceHas[at : at+n]
}

// openWritable opens the image for writing.
func openWritable(image string) (*Image, error) {
	raw, err := disk.OpenRaw(image, disk.Options{AnyFormat: true, Writable: true})
	if err != nil {
		return nil, err
	}
	m, err := New(raw, image, Options{Writable: true, Refer: func(ref disk.Reference) (disk.Device, error) {
		name := ref.Name
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(image), name)
		}
		if ref.Format == "qcow2" {
			return openFile(name, Options{})
		}
		return disk.OpenRaw(name, disk.Options{AnyFormat: true, Writable: ref.Writable})
	}})
	if err != nil {
		raw.Close()
		return nil, err
	}
	return m, nil
}

// ours changes the image by this package.
func (p *program) ours() {
	t := p.t
	t.Helper()
	m, err := openWritable(p.image)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 + p.rand.IntN(40) {
		off, n := p.part()
		at := int64(off)
		switch kind := p.rand.IntN(16); {
		case kind < 7:
			b := p.data(n)
			if _, err := m.WriteAt(b, at); err != nil {
				t.Fatal(err)
			}
			copy(p.want[off:], b)
		case kind < 8:
			off = off / p.cluster * p.cluster
			n = min(p.cluster*(1+p.rand.IntN(3)), len(p.want)-off)
			b := bytes.Repeat(p.data(512), n/512)
			if err := m.WriteCompressed(b, int64(off)); err != nil {
				t.Fatal(err)
			}
			copy(p.want[off:], b)
		case kind < 10:
			if err := m.WriteZeroes(at, int64(n)); err != nil {
				t.Fatal(err)
			}
			clear(p.want[off : off+n])
		case kind < 12:
			if err := m.Discard(at, int64(n)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if _, err := m.ReadAt(got, at); err != nil {
				t.Fatal(err)
			}
			p.discarded(off, got)
		case kind < 13:
			if err := m.Flush(); err != nil {
				t.Fatal(err)
			}
		case kind < 14:
			// Growth takes long only for a file with data.
			if p.rand.IntN(4) > 0 || len(p.snapshots) > 0 && strings.Contains(p.options, "compat=0.10") {
				continue
			}
			size := len(p.want) + 512*p.rand.IntN(1000)
			if err := m.Resize(int64(size)); err != nil {
				t.Fatal(err)
			}
			p.want = append(p.want, make([]byte, size-len(p.want))...)
		default:
			got := make([]byte, n)
			if _, err := m.ReadAt(got, at); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, p.want[off:off+n]) {
				t.Fatalf("%d bytes at %d differ", n, off)
			}
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// discarded notes what a part of the disk is after it was discarded: what it was, or zeros.
func (p *program) discarded(off int, got []byte) {
	for i := 0; i < len(got); i += 512 {
		sector := p.want[off+i:][:512]
		if bytes.Equal(sector, got[i:i+512]) {
			continue
		}
		clear(sector)
		if !bytes.Equal(sector, got[i:i+512]) {
			p.t.Fatalf("%d was discarded, and is neither as it was nor zeros", off+i)
		}
	}
}

// qemus changes the image by QEMU.
func (p *program) qemus() {
	t := p.t
	t.Helper()
	args := []string{"-f", "qcow2"}
	var discards [][2]int
	for range 3 + p.rand.IntN(15) {
		off, n := p.part()
		var c string
		switch kind := p.rand.IntN(10); {
		case kind < 3:
			b := byte(p.rand.IntN(256))
			c = fmt.Sprintf("write -P %d %d %d", b, off, n)
			copy(p.want[off:], bytes.Repeat([]byte{b}, n))
		case kind < 5:
			c = fmt.Sprintf("write -s %s %d %d", p.source, off, n)
			copy(p.want[off:], p.sourceHas[:n])
		case kind < 6:
			c = fmt.Sprintf("write -z %d %d", off, n)
			clear(p.want[off : off+n])
		case kind < 7:
			c = fmt.Sprintf("write -z -u %d %d", off, n)
			clear(p.want[off : off+n])
		case kind < 8:
			// Only at the end, so that what comes after is known.
			discards = append(discards, [2]int{off, n})
			continue
		default:
			c = "flush"
		}
		args = append(args, "-c", c)
	}
	for _, d := range discards {
		args = append(args, "-c", fmt.Sprintf("discard %d %d", d[0], d[1]))
	}
	testimg.MustRun(t, "qemu-io", append(args, p.image)...)
	got := p.content()
	for _, d := range discards {
		p.discarded(d[0], got[d[0]:d[0]+d[1]])
	}
	if p.rand.IntN(2) == 0 && !strings.Contains(p.options, "data_file") && len(p.want) >= p.cluster {
		// Which fails if there is a cluster.
		off := p.rand.IntN(len(p.want)/p.cluster) * p.cluster
		if n := p.cluster; n <= len(p.sourceHas) {
			if out, err := testimg.Run("qemu-io", "-f", "qcow2", "-c", fmt.Sprintf("write -c -s %s %d %d", p.source, off, n), p.image); err == nil && !strings.Contains(out, "failed") {
				copy(p.want[off:], p.sourceHas[:n])
			}
		}
	}
}

// content returns what qemu-img reads.
func (p *program) content(options ...string) []byte {
	p.t.Helper()
	raw := filepath.Join(p.dir, "raw")
	args := append([]string{"convert", "-q", "-f", "qcow2", "-O", "raw"}, options...)
	testimg.MustRun(p.t, "qemu-img", append(args, p.image, raw)...)
	b, err := os.ReadFile(raw)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// snapshot makes, applies or deletes a snapshot, by this package or by QEMU.
func (p *program) snapshot() {
	if strings.Contains(p.options, "data_file") || p.rand.IntN(2) == 0 {
		return
	}
	name := fmt.Sprint("s", p.rand.IntN(1000))
	if strings.Contains(p.options, "refcount_bits=1") {
		p.refused(name)
		return
	}
	// As many as the counts allow.
	if _, ok := p.snapshots[name]; !ok && len(p.snapshots) < 2 {
		p.do("-c", name)
		return
	}
	name = slices.Sorted(maps.Keys(p.snapshots))[p.rand.IntN(len(p.snapshots))]
	p.do([]string{"-a", "-d"}[p.rand.IntN(2)], name)
}

// do does what an option of qemu-img snapshot does.
func (p *program) do(option, name string) {
	p.t.Helper()
	done := func() {
		switch option {
		case "-c":
			p.snapshots[name] = bytes.Clone(p.want)
		case "-a":
			p.want = bytes.Clone(p.snapshots[name])
		case "-d":
			delete(p.snapshots, name)
		}
	}
	if p.rand.IntN(3) == 0 {
		switch out, err := testimg.Run("qemu-img", "snapshot", option, name, p.image); {
		case err == nil:
			done()
		case option == "-d" || !p.few() || !strings.Contains(err.Error()+out, "nvalid argument"):
			p.t.Fatal(err)
		default: // QEMU leaves what it has counted before it came to the one that is full
			testimg.MustRun(p.t, "qemu-img", "check", "-q", "-r", "all", "-f", "qcow2", p.image)
			if n := len(p.snapshots[name]); option == "-a" && n != len(p.want) && len(p.content()) == n {
				// It had already given the disk the size of the snapshot.
				p.want = append(p.want[:min(n, len(p.want))], make([]byte, max(n-len(p.want), 0))...)
			}
		}
	} else {
		p.change(option, name, done)
	}
	p.verify("snapshot " + option)
}

// change is do by this package, with writes before it, which are in the cache, and after it.
func (p *program) change(option, name string, done func()) {
	t := p.t
	t.Helper()
	m, err := openWritable(p.image)
	if err != nil {
		t.Fatal(err)
	}
	p.some(m)
	switch option {
	case "-c":
		_, err = m.CreateSnapshot(disk.Snapshot{Name: name})
	case "-a":
		err = m.ApplySnapshot(name)
	case "-d":
		err = m.DeleteSnapshot(name)
	}
	switch {
	case err == nil:
		done()
	case option == "-d" || !p.few() || !strings.Contains(err.Error(), "references to a cluster"):
		t.Fatal(err)
	}
	if got := readAll(t, m); !bytes.Equal(got, p.want) {
		t.Errorf("snapshot %s: differs from %d on", option, differs(got, p.want))
	}
	p.some(m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// few reports whether a cluster may have more references than its count has room for: several
// compressed ones share it, and each snapshot refers to them all. Then a snapshot is neither made
// nor applied, and nothing has changed.
func (p *program) few() bool {
	return strings.Contains(p.options, "refcount_bits=2") || strings.Contains(p.options, "refcount_bits=4")
}

// some writes to the disk, or not.
func (p *program) some(m *Image) {
	for range p.rand.IntN(3) {
		off, n := p.part()
		b := p.data(n)
		if _, err := m.WriteAt(b, int64(off)); err != nil {
			p.t.Fatal(err)
		}
		copy(p.want[off:], b)
	}
}

// refused tries to make a snapshot in an image that has no room for the counts.
func (p *program) refused(name string) {
	m, err := openWritable(p.image)
	if err != nil {
		p.t.Fatal(err)
	}
	data := false
	for e, err := range m.Extents(0, m.Size()) {
		data = data || err == nil && e.Kind == disk.Data
	}
	if _, err := m.CreateSnapshot(disk.Snapshot{Name: name}); data && (err == nil || !strings.Contains(err.Error(), "refcount_bits=1")) {
		p.t.Errorf("a second reference where there is room for one: %v", err)
	} else if err == nil {
		err = m.DeleteSnapshot(name)
		if err != nil {
			p.t.Error(err)
		}
	}
	if err := m.Close(); err != nil {
		p.t.Error(err)
	}
	p.verify("refused")
}

// verify compares the image with what it should be.
func (p *program) verify(when string) {
	t := p.t
	t.Helper()
	if out, err := testimg.Run("qemu-img", "check", "-f", "qcow2", p.image); err != nil {
		t.Errorf("%s: %v", when, err)
		_ = out
	}
	if got := p.content(); !bytes.Equal(got, p.want) {
		t.Errorf("%s: QEMU reads something else, from %d on", when, differs(got, p.want))
	}
	for name, want := range p.snapshots {
		// Of the size that the disk has now.
		got := p.content("-l", "snapshot.name="+name)
		if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) {
			t.Errorf("%s: of snapshot %s, QEMU reads something else, from %d on", when, name, differs(got, want))
		}
		m, err := openFile(p.image, Options{Snapshot: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, m); !bytes.Equal(got, want) {
			t.Errorf("%s: snapshot %s differs from %d on", when, name, differs(got, want))
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	m, err := openFile(p.image, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, m); !bytes.Equal(got, p.want) {
		t.Errorf("%s: differs from %d on", when, differs(got, p.want))
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	raw, err := disk.OpenRaw(p.image, disk.Options{AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if r, err := Check(raw, p.image, disk.RepairNothing); err != nil || r.Errors+r.Leaks != 0 {
		t.Errorf("%s: our check finds %+v, %v", when, r, err)
	}
}

// differs returns where two disks differ first.
func differs(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
