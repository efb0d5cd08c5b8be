package port

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A memory is a disk that counts what is read of it.
type memory struct {
	data []byte
	read atomic.Int64
}

func (d *memory) ReadAt(p []byte, off int64) (int, error) {
	d.read.Add(int64(len(p)))
	return copy(p, d.data[off:]), nil
}
func (d *memory) WriteAt(p []byte, off int64) (int, error) { return copy(d.data[off:], p), nil }
func (d *memory) Size() int64                              { return int64(len(d.data)) }
func (d *memory) Flush() error                             { return nil }

// attach attaches a disk and returns its numbers.
func (m *machine) attach(d *memory, readOnly bool) string {
	m.t.Helper()
	disk, err := m.k.AttachDisk(lkl.Disk{Device: d, ReadOnly: readOnly})
	rig.Check(m.t, "attaching", err)
	dev, err := m.k.ReadFile("/sys/block/"+strings.TrimPrefix(disk, "/dev/")+"/dev", 64)
	rig.Check(m.t, "reading the numbers of "+disk, err)
	return strings.TrimSpace(string(dev))
}

const (
	locateFS   = 16 << 20 // the file system
	locateFile = 9<<20 + 5000
)

// locateImage returns an ext4 file system with a file, and the file's content.
func locateImage(t testing.TB) (fs, file []byte) {
	testimg.Need(t, "mke2fs")
	file = noise(locateFile, 7)
	dir := t.TempDir()
	rig.Check(t, "writing", os.WriteFile(filepath.Join(dir, "file"), file, 0o644))
	img := filepath.Join(t.TempDir(), "fs")
	out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", dir, img, fmt.Sprint(locateFS>>10, "k")).CombinedOutput()
	if err != nil {
		t.Fatalf("mke2fs: %v: %s", err, out)
	}
	fs, err = os.ReadFile(img)
	rig.Check(t, "reading", err)
	return fs, file
}

// A layer is one device of a stack. Each "@" of its table is a disk, by its number, or the
// device of an earlier layer, by its letter.
type layer struct {
	bytes                int64
	target, params, over string
	key                  []byte
}

// stack makes the devices of layers, and returns the node of the last one, or of the first
// disk.
func (m *machine) stack(layers []layer, readOnly bool, disks []*memory) (node string, remove func()) {
	m.t.Helper()
	var numbers, made []string
	for _, d := range disks {
		numbers = append(numbers, m.attach(d, readOnly))
	}
	node = "/dev/sda"
	below := make(map[rune]string)
	for i, n := range numbers {
		below['0'+rune(i)] = n
	}
	for i, l := range layers {
		var over []string
		for _, c := range l.over {
			over = append(over, below[c])
		}
		name := string(rune('a' + i))
		d, err := m.c.Create(name, "", readOnly, target(l.bytes, l.target, l.params, l.key, len(over)), names(over...))
		rig.Check(m.t, l.target+" "+l.params, err)
		below['a'+rune(i)], node = d.Numbers(), d.Node()
		made = append(made, name)
	}
	return node, func() {
		for i := range made {
			m.remove(made[len(made)-1-i])
		}
	}
}

// locate reads a file at an offset. It returns what was found and not read, in bytes.
func (m *machine) locate(fd int, disks []*memory, want []byte, at int64, size int) (found int64) {
	m.t.Helper()
	buf, err := m.k.Alloc(size)
	rig.Check(m.t, "allocating", err)
	defer buf.Free()
	spans, err := m.k.Locate(fd, buf.Bytes(), at)
	rig.Check(m.t, "locating", err)
	read := func() (n int64) {
		for _, d := range disks {
			n += d.read.Load()
		}
		return n
	}
	before := read()
	var got []byte
	for i := range spans {
		b, err := spans[i].Bytes()
		rig.Check(m.t, "reading what was located", err)
		got = append(got, b...)
	}
	if want = want[at:min(at+int64(size), int64(len(want)))]; !bytes.Equal(got, want) {
		m.t.Errorf("%d bytes at %d: other data", size, at)
	}
	return read() - before
}

// openFile mounts a device and opens its file.
func (m *machine) openFile(node string) int {
	m.t.Helper()
	dir, err := rig.Mount(m.k, strings.TrimPrefix(node, "/dev/"), "ext4", unix.MS_RDONLY, "")
	rig.Check(m.t, "mounting "+node, err)
	fd, err := m.k.Open(dir+"/file", unix.O_RDONLY, 0)
	rig.Check(m.t, "opening", err)
	return fd
}

// The data of a large file is found where all that is below the file system says only where
// it is, and nowhere else: not where the data on the disk is another, and not where somebody
// looks at it when it has come.
func TestLocate(t *testing.T) {
	const half, all = locateFS / 2, locateFS
	fs, file := locateImage(t)
	verity := func(t *testing.T) ([]*memory, []layer) {
		testimg.Need(t, "veritysetup")
		disk, tree := image(t, fs), image(t, nil)
		out, err := exec.Command("veritysetup", "format", disk, tree, "--no-superblock", "--salt=-").CombinedOutput()
		root := regexp.MustCompile(`Root hash:\s+([0-9a-f]+)`).FindSubmatch(out)
		if err != nil || root == nil {
			t.Fatalf("veritysetup: %v: %s", err, out)
		}
		hashes, err := os.ReadFile(tree)
		rig.Check(t, "reading", err)
		params := fmt.Sprintf("1 @ @ 4096 4096 %d 0 sha256 %s -", all/4096, root[1])
		return []*memory{{data: fs}, {data: hashes}}, []layer{{all, "verity", params, "01", nil}}
	}
	crypt := layer{all, "crypt", "aes-xts-plain64 $ 0 @ 0", "0", noise(64, 8)}
	over := func(l layer, over string) layer { l.over = over; return l }
	for _, c := range []struct {
		name        string
		disks       int
		layers      []layer
		least, most int64                                   // percent of the data that is found
		made        func(t *testing.T) ([]*memory, []layer) // by others than the layers
	}{
		{"linear", 1, []layer{{all, "linear", "@ 8192", "0", nil}}, 100, 100, nil},
		{"linear on linear", 1, []layer{{all, "linear", "@ 2048", "0", nil}, {all, "linear", "@ 0", "a", nil}}, 100, 100, nil},
		{"striped", 2, []layer{{all, "striped", "2 128 @ 0 @ 2048", "01", nil}}, 100, 100, nil},
		{"striped on linear", 2, []layer{{half, "linear", "@ 128", "0", nil}, {half, "linear", "@ 8", "1", nil}, {all, "striped", "2 1024 @ 0 @ 0", "ab", nil}}, 100, 100, nil},
		{"striped on one disk", 1, []layer{{all, "striped", "2 128 @ 0 @ 16384", "00", nil}}, 100, 100, nil},
		{"striped too finely", 2, []layer{{all, "striped", "2 8 @ 0 @ 0", "01", nil}}, 1, 60, nil},
		{"crypt", 1, []layer{crypt}, 0, 0, nil},
		{"linear on crypt", 1, []layer{crypt, {all, "linear", "@ 0", "a", nil}}, 0, 0, nil},
		{"crypt on linear", 1, []layer{{all, "linear", "@ 2048", "0", nil}, over(crypt, "a")}, 0, 0, nil},
		{"striped on crypt", 2, []layer{crypt, over(crypt, "1"), {all, "striped", "2 128 @ 0 @ 0", "ab", nil}}, 0, 0, nil},
		{"linear and crypt", 2, []layer{crypt, {all, "striped", "2 128 @ 0 @ 0", "a1", nil}}, 0, 0, nil},
		{"raid1", 2, []layer{{all, "raid", "raid1 2 0 nosync 2 - @ - @", "01", nil}}, 0, 0, nil},
		{"linear on raid5", 3, []layer{{all, "raid", "raid5_ls 2 128 nosync 3 - @ - @ - @", "012", nil}, {all, "linear", "@ 0", "a", nil}}, 0, 0, nil},
		{"verity", 0, nil, 0, 0, verity},
		{"nine deep", 1, append([]layer{{all, "linear", "@ 0", "0", nil}}, deep(all, 8)...), 0, 0, nil},
		{"eight deep", 1, append([]layer{{all, "linear", "@ 0", "0", nil}}, deep(all, 7)...), 100, 100, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var disks []*memory
			if c.made != nil {
				disks, c.layers = c.made(t)
			} else {
				for range c.disks {
					disks = append(disks, &memory{data: make([]byte, all+8<<20)})
				}
				m := newMachine(t, &lkl.Config{})
				node, remove := m.stack(c.layers, false, disks)
				m.writeNode(node, fs, 0)
				remove()
				rig.Check(t, "closing", m.k.Close())
			}
			m := newMachine(t, &lkl.Config{})
			node, _ := m.stack(c.layers, true, disks)
			fd := m.openFile(node)
			for _, r := range []struct{ at, size int64 }{{0, 2 << 20}, {1<<20 + 4096, 2 << 20}, {8 << 20, 1<<20 + 4096}, {64 << 10, 512 << 10}} {
				found := m.locate(fd, disks, file, r.at, int(r.size))
				if found < c.least*r.size/100 || found > c.most*r.size/100 {
					t.Errorf("%d bytes at %d: %d of them were found", r.size, r.at, found)
				}
			}
		})
	}
}

// deep returns n layers, each on the one before it, the first of which is on layer "a".
func deep(bytes int64, n int) (list []layer) {
	for i := range n {
		list = append(list, layer{bytes, "linear", "@ 0", string(rune('a' + i)), nil})
	}
	return list
}

// What a thin volume reads is found, too: in blocks of its own, and in those that it shares
// with a snapshot. Where it has no block it is zero.
func TestLocateThin(t *testing.T) {
	const block = 64 << 10
	fs, file := locateImage(t)
	for _, shared := range []bool{false, true} {
		disks := []*memory{{data: make([]byte, locateFS)}, {data: make([]byte, 4<<20)}}
		pool := func(m *machine, readOnly bool, options string) dm.Device {
			meta := m.attach(disks[1], false)
			data := m.attach(disks[0], readOnly)
			return m.must("pool", locateFS, "thin-pool", "@ @ 128 0"+options, nil, meta, data)
		}
		m := newMachine(t, &lkl.Config{})
		p := pool(m, false, "")
		rig.Check(t, "making a volume", m.c.Message("pool", 0, "create_thin 0"))
		thin := m.must("thin", 2*locateFS, "thin", "@ 0", nil, p.Numbers())
		for at := 0; at < len(fs); at += block {
			if part := fs[at:][:block]; !bytes.Equal(part, make([]byte, block)) {
				m.writeNode(thin.Node(), part, int64(at))
			}
		}
		m.remove("thin")
		if shared {
			rig.Check(t, "making a snapshot", m.c.Message("pool", 0, "create_snap 1 0"))
		}
		m.remove("pool")
		rig.Check(t, "closing", m.k.Close())

		m = newMachine(t, &lkl.Config{})
		p = pool(m, true, " 1 read_only")
		thin, err := m.c.Create("thin", "", true, target(2*locateFS, "thin", "@ 0", nil, 1), names(p.Numbers()))
		rig.Check(t, "thin", err)
		fd := m.openFile(thin.Node())
		const size = 2 << 20
		if found := m.locate(fd, disks[:1], file, 1<<20, size); found != size {
			t.Errorf("shared %v: %d bytes were found", shared, found)
		}
	}
}

// A table that is exchanged while a file is read, by one that decrypts, does not make
// what is encrypted look like the file.
func TestLocateReload(t *testing.T) {
	fs, file := locateImage(t)
	plain, secret := &memory{data: fs}, &memory{data: make([]byte, len(fs))}
	key := noise(64, 9)
	crypt := target(locateFS, "crypt", "aes-xts-plain64 $ 0 @ 0", key, 1)
	linear := target(locateFS, "linear", "@ 0", nil, 1)
	m := newMachine(t, &lkl.Config{})
	m.write(m.must("a", locateFS, "crypt", crypt[0].Params, key, m.attach(secret, false)), fs)
	rig.Check(t, "closing", m.k.Close())

	m = newMachine(t, &lkl.Config{})
	onPlain, onSecret := names(m.attach(plain, true)), names(m.attach(secret, true))
	d, err := m.c.Create("a", "", true, linear, onPlain)
	rig.Check(t, "creating", err)
	fd := m.openFile(d.Node())
	done := make(chan error)
	go func() {
		for range 100 {
			if err := m.c.Reload("a", true, crypt, onSecret); err != nil {
				done <- err
				return
			}
			if err := m.c.Reload("a", true, linear, onPlain); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	found := int64(0)
	for {
		select {
		case err := <-done:
			rig.Check(t, "reloading", err)
			if found == 0 {
				t.Error("nothing was ever found")
			}
			return
		default:
			found += m.locate(fd, []*memory{plain, secret}, file, 1<<20, 2<<20)
		}
	}
}
