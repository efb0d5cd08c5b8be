package port

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// BenchmarkRead reads volumes on images that the host has in its page cache, in pieces of
// 1 MiB. "openssl" is its AES-256-XTS in blocks of 16 KiB by one thread, for comparison.
// RAID 5 and 6 lack their last disks.
func BenchmarkRead(b *testing.B) {
	b.Run("openssl", benchOpenSSL)
	for _, c := range []struct {
		name, target, params string
		disks, disk          int // how many, and MiB of each
		key                  []byte
	}{
		{"disk", "", "", 1, 256, nil},
		{"linear", "linear", "@ 0", 1, 256, nil},
		{"striped", "striped", "2 128 @ 0 @ 0", 2, 128, nil},
		{"crypt", "crypt", "aes-xts-plain64 $ 0 @ 0", 1, 256, noise(64, 1)},
		{"crypt-4096", "crypt", "aes-xts-plain64 $ 0 @ 0 1 sector_size:4096", 1, 256, noise(64, 1)},
		{"crypt-narrow", "crypt", "capi:xts-aes-ni-plain64 $ 0 @ 0", 1, 256, noise(64, 1)},
		{"crypt-essiv", "crypt", "aes-cbc-essiv:sha256 $ 0 @ 0", 1, 256, noise(32, 1)},
		{"raid5", "raid", "raid5_ls 2 128 nosync 4 - @ - @ - @ - -", 3, 80, nil},
		{"raid6", "raid", "raid6_zr 1 128 5 - @ - @ - @ - - - -", 3, 80, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newMachine(b, &lkl.Config{})
			var disks []string
			for range c.disks {
				disks = append(disks, m.disk(image(b, noise(c.disk<<20, 1))))
			}
			size := int64(c.disks * c.disk << 20)
			node := "/dev/" + lastDisk(b, m)
			if c.target != "" {
				node = m.must("volume", size, c.target, c.params, c.key, disks...).Node()
			}
			benchRead(b, m, node, size)
		})
	}
}

func benchOpenSSL(b *testing.B) {
	const block, cipher = "16384", "AES-256-XTS:"
	for b.Loop() {
		out, err := exec.Command("openssl", "speed", "-mr", "-seconds", "1", "-bytes", block, "-decrypt", "-evp", cipher[:11]).Output()
		if err != nil {
			b.Skip(err)
		}
		_, rate, _ := strings.Cut(string(out), cipher)
		bytes, err := strconv.ParseFloat(strings.TrimSpace(rate), 64)
		if err != nil {
			b.Skipf("openssl: %q", out)
		}
		b.ReportMetric(bytes/1e6, "MB/s")
	}
}

// lastDisk returns the name of the disk that was attached last.
func lastDisk(b *testing.B, m *machine) string {
	list, err := m.k.ReadFile("/proc/partitions", 1<<16)
	if err != nil {
		b.Fatal(err)
	}
	words := strings.Fields(string(list))
	return words[len(words)-1]
}

// benchRead reads a device, of which the kernel has nothing in its own cache.
func benchRead(b *testing.B, m *machine, node string, size int64) {
	const piece = 1 << 20
	fd, err := m.k.Open(node, unix.O_RDONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer m.k.CloseFd(fd)
	buf, err := m.k.Alloc(piece)
	if err != nil {
		b.Fatal(err)
	}
	defer buf.Free()
	b.SetBytes(size)
	for b.Loop() {
		for at := int64(0); at < size; at += piece {
			if n, err := m.k.Pread(fd, buf.Bytes(), at); err != nil || n != piece {
				b.Fatalf("reading at %d: %d, %v", at, n, err)
			}
		}
		if err := m.k.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLocate finds a file that is on a disk or a volume, and reads what was found.
func BenchmarkLocate(b *testing.B) {
	const piece = 2 << 20
	fs, file := locateImage(b)
	for _, c := range []struct {
		name   string
		disks  int
		layers []layer
	}{
		{"disk", 1, nil},
		{"linear", 1, []layer{{locateFS, "linear", "@ 0", "0", nil}}},
		{"striped", 2, []layer{{locateFS, "striped", "2 128 @ 0 @ 0", "01", nil}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			disks := make([]*memory, c.disks)
			for i := range disks {
				disks[i] = &memory{data: make([]byte, locateFS)}
			}
			m := newMachine(b, &lkl.Config{})
			node, _ := m.stack(c.layers, false, disks)
			m.writeNode(node, fs, 0)
			rig.Check(b, "closing", m.k.Close())

			m = newMachine(b, &lkl.Config{})
			node, _ = m.stack(c.layers, true, disks)
			fd := m.openFile(node)
			buf, err := m.k.Alloc(piece)
			rig.Check(b, "allocating", err)
			defer buf.Free()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				for at := 0; at < len(file); at += piece {
					spans, err := m.k.Locate(fd, buf.Bytes(), int64(at))
					rig.Check(b, "locating", err)
					for i := range spans {
						_, err := spans[i].Bytes()
						rig.Check(b, "reading", err)
					}
				}
			}
		})
	}
}
