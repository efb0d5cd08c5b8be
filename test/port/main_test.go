package port

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

func TestMain(m *testing.M) { rig.Main(m) }

// A machine is a kernel with disks and its device mapper.
type machine struct {
	t testing.TB
	k *lkl.Kernel
	c *dm.Control
}

func newMachine(t testing.TB, cfg *lkl.Config) *machine {
	m := &machine{t: t, k: rig.Boot(t, cfg)}
	c, err := dm.Open(m.k)
	rig.Check(t, "opening the device mapper", err)
	m.c = c
	return m
}

// disk attaches an image and returns its numbers, as tables name it.
func (m *machine) disk(image string) string {
	name := strings.TrimPrefix(rig.Attach(m.t, m.k, image), "/dev/")
	dev, err := m.k.ReadFile("/sys/block/"+name+"/dev", 64)
	rig.Check(m.t, "reading the numbers of "+name, err)
	return strings.TrimSpace(string(dev))
}

// target returns a table of one target. Each "@" of params stands for one of so many devices.
func target(bytes int64, kind, params string, key []byte, devices int) []volume.Target {
	return []volume.Target{{Length: bytes / 512, Type: kind, Params: params, Key: key, Devices: make([]volume.Base, devices)}}
}

// names returns a function that returns one after the other, and then the first again.
func names(devices ...string) func(volume.Base) string {
	next := 0
	return func(volume.Base) string {
		next++
		return devices[(next-1)%len(devices)]
	}
}

// create makes a device of one target. Each "@" of params is the next of the devices.
func (m *machine) create(name string, bytes int64, kind, params string, key []byte, devices ...string) (dm.Device, error) {
	return m.c.Create(name, "", false, target(bytes, kind, params, key, len(devices)), names(devices...))
}

func (m *machine) must(name string, bytes int64, target, params string, key []byte, devices ...string) dm.Device {
	m.t.Helper()
	d, err := m.create(name, bytes, target, params, key, devices...)
	rig.Check(m.t, fmt.Sprintf("%s %s", target, params), err)
	return d
}

func (m *machine) remove(name string) {
	m.t.Helper()
	rig.Check(m.t, "removing "+name, m.c.Remove(name))
}

// read reads a device of so many bytes from its beginning.
func (m *machine) read(d dm.Device, bytes int) []byte {
	m.t.Helper()
	fd, err := m.k.Open(d.Node(), unix.O_RDONLY, 0)
	rig.Check(m.t, "opening", err)
	defer m.k.CloseFd(fd)
	b := make([]byte, bytes)
	for at := 0; at < bytes; {
		n, err := m.k.Pread(fd, b[at:], int64(at))
		if err != nil || n == 0 {
			m.t.Fatalf("reading at %d: %d, %v\n%s", at, n, err, rig.LastLog(m.k, 10))
		}
		at += n
	}
	return b
}

// write writes to a device from its beginning, and waits until that is done.
func (m *machine) write(d dm.Device, b []byte) {
	m.t.Helper()
	m.writeNode(d.Node(), b, 0)
}

func (m *machine) writeNode(node string, b []byte, off int64) {
	m.t.Helper()
	fd, err := m.k.Open(node, unix.O_WRONLY, 0)
	rig.Check(m.t, "opening", err)
	defer m.k.CloseFd(fd)
	for at := 0; at < len(b); {
		n, err := m.k.Pwrite(fd, b[at:], off+int64(at))
		if err != nil || n == 0 {
			m.t.Fatalf("writing at %d: %d, %v\n%s", at, n, err, rig.LastLog(m.k, 10))
		}
		at += n
	}
	rig.Check(m.t, "fsync", m.k.Fsync(fd))
}

// image makes a file of the host with content.
func image(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	rig.Check(t, "writing", os.WriteFile(path, content, 0o600))
	return path
}

// noise returns bytes that are the same each time for a seed.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(s).Read(b)
	return b
}
