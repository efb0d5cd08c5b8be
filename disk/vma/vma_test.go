package vma_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/disk/vma"
	"github.com/unboot/unboot/internal/testimg"
)

var be = binary.BigEndian

// A device is what an archive has: a disk, or the state of a machine.
type device struct {
	name    string
	content []byte
}

const (
	clusterSize = 64 << 10
	blockSize   = 4 << 10
)

// sum writes the MD5 sum of b into it.
func sum(b []byte, at int) []byte {
	clear(b[at:][:md5.Size])
	s := md5.Sum(b)
	copy(b[at:], s[:])
	return b
}

// build makes an archive as vma_spec.txt has it, with the clusters in an order that depends on
// a seed.
func build(seed uint64, devices ...device) []byte {
	names := []byte{0}
	head := make([]byte, 12288)
	copy(head, "VMA\x00\x00\x00\x00\x01")
	for i := range 16 {
		head[8+i] = byte(i + 1)
	}
	be.PutUint64(head[24:], 1700000000)
	put := func(text string) uint32 {
		at := uint32(len(names))
		names = binary.LittleEndian.AppendUint16(names, uint16(len(text)))
		names = append(names, text...)
		return at
	}
	be.PutUint32(head[2044:], put("qemu-server.conf\x00"))
	be.PutUint32(head[3068:], put("memory: 512\n"))
	type piece struct {
		id, number int
	}
	var order []piece
	for i, d := range devices {
		id := i + 1
		be.PutUint32(head[4096+32*id:], put(d.name+"\x00"))
		be.PutUint64(head[4096+32*id+8:], uint64(len(d.content)))
		for n := range (len(d.content) + clusterSize - 1) / clusterSize {
			order = append(order, piece{id, n})
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for (len(head)+len(names))%512 != 0 {
		names = append(names, 0)
	}
	be.PutUint32(head[48:], uint32(len(head)))
	be.PutUint32(head[52:], uint32(len(names)))
	be.PutUint32(head[56:], uint32(len(head)+len(names)))
	out := sum(append(head, names...), 32)
	for len(order) > 0 {
		h, data := make([]byte, 512), []byte(nil)
		copy(h, "VMAE")
		copy(h[8:], out[8:24])
		for i := range 59 {
			if r.IntN(20) == 0 || len(order) == 0 {
				continue // an entry that is not used
			}
			p := order[0]
			order = order[1:]
			cluster := make([]byte, clusterSize)
			copy(cluster, devices[p.id-1].content[p.number*clusterSize:])
			mask := uint64(0)
			for b := range 16 {
				if block := cluster[b*blockSize:][:blockSize]; !bytes.Equal(block, make([]byte, blockSize)) {
					mask |= 1 << b
					data = append(data, block...)
				}
			}
			be.PutUint64(h[40+8*i:], mask<<48|uint64(p.id)<<32|uint64(p.number))
		}
		be.PutUint16(h[6:], uint16(len(data)/blockSize))
		out = append(append(out, sum(h, 24)...), data...)
	}
	return out
}

func three() []device {
	return []device{
		{"drive-efidisk0", imgtest.Content(528<<10, 4)},
		{"drive-scsi0", imgtest.Content(20<<20+512, 5)},
		{"vmstate", imgtest.Content(1<<20, 6)},
	}
}

// The disks of archives are read, the only one without a name.
func TestRead(t *testing.T) {
	ctx := context.Background()
	devices := three()
	more := append(three(), device{"drive-virtio1", imgtest.Content(3<<20, 8)})
	dir := imgtest.Write(t, map[string][]byte{"one": build(1, devices...), "more": build(2, more...), "none": build(3), "zeros": build(4, device{"drive-ide0", make([]byte, 9<<20)})})
	read := func(name string, want []byte) {
		t.Helper()
		d, err := source.Open(ctx, filepath.Join(dir, name), source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		imgtest.Same(t, d, want)
	}
	read("one", devices[1].content)
	read("one#drive-efidisk0", devices[0].content)
	read("more#scsi0", more[1].content)
	read("more#drive-virtio1", more[3].content)
	read("zeros", make([]byte, 9<<20))
	for name, want := range map[string]string{"more": `it has "drive-efidisk0" "drive-scsi0" "drive-virtio1"; name one, as IMAGE#drive-efidisk0`, "more#x": `there is no disk "x"`, "more#vmstate": "there is no disk", "none": "it has none"} {
		if _, err := source.Open(ctx, filepath.Join(dir, name), source.Options{}); !errors.Is(err, vma.ErrDisks) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Archives are read as vzdump(1) compresses them, and by pieces.
func TestCompressed(t *testing.T) {
	testimg.Need(t, "zstd", "gzip", "xz", "bzip2", "lzop")
	devices := []device{{"drive-scsi0", imgtest.Content(2<<20+512, 5)}, {"drive-virtio1", imgtest.Content(1<<20, 8)}}
	dir := imgtest.Write(t, map[string][]byte{"one": build(5, devices[0]), "more": build(6, devices...), "none": build(7)})
	for _, program := range []string{"zstd -q", "gzip -1", "xz -0 --block-size=1MiB", "bzip2 -1", "lzop"} {
		for name, want := range map[string][]byte{"one": devices[0].content, "more#scsi0": devices[0].content, "more#virtio1": devices[1].content, "more": nil, "more#x": nil, "none": nil} {
			file, part, named := strings.Cut(name, "#")
			path := filepath.Join(dir, file+".vma."+program[:2])
			if _, err := os.Stat(path); err != nil {
				testimg.MustRun(t, "sh", "-c", program+` -c <"$1" >"$2"`, "sh", filepath.Join(dir, file), path)
			}
			if named {
				path += "#" + part
			}
			d, err := source.Open(t.Context(), path, source.Options{})
			switch {
			case want == nil && !errors.Is(err, vma.ErrDisks):
				t.Errorf("%s: %s: %v", program, name, err)
			case want != nil && err != nil:
				t.Errorf("%s: %s: %v", program, name, err)
			case want != nil:
				imgtest.Same(t, d, want)
			}
		}
		path := filepath.Join(t.TempDir(), "cut")
		testimg.MustRun(t, "sh", "-c", program+` -c <"$1" | head -c 100000 >"$2"`, "sh", filepath.Join(dir, "one"), path)
		if _, err := source.Open(t.Context(), path, source.Options{}); err == nil {
			t.Errorf("%s: what was cut off is opened", program)
		}
		info, err := source.Stat(t.Context(), path, source.Options{})
		if err != nil || info.Size != int64(len(devices[0].content)) {
			t.Errorf("%s: what its header says: %v, %v", program, info, err)
		}
	}
}

// Another reader of the format finds the same disks in the archives of these tests.
func TestDissect(t *testing.T) {
	testimg.Need(t, "python3")
	const script = `
import sys
from dissect.hypervisor.backup.vma import VMA
for d in VMA(open(sys.argv[1], "rb")).devices():
    if d.name != "vmstate":
        with open(sys.argv[2] + "/" + d.name, "wb") as f:
            f.write(d.open().read(d.size))
`
	if _, err := testimg.Run("python3", "-c", "import dissect.hypervisor.backup.vma"); err != nil {
		t.Skip("there is no dissect.hypervisor: ", err)
	}
	devices := three()
	dir := imgtest.Write(t, map[string][]byte{"archive": build(1, devices...)})
	testimg.MustRun(t, "python3", "-c", script, filepath.Join(dir, "archive"), dir)
	for _, d := range devices {
		if d.name == "vmstate" {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, d.name)); err != nil || !bytes.Equal(b, d.content) {
			t.Errorf("%s: %d bytes that are not the same, %v", d.name, len(b), err)
		}
	}
}

func TestDamage(t *testing.T) {
	good := build(1, device{"drive-scsi0", imgtest.Content(8<<20, 5)})
	first := int(be.Uint32(good[56:])) // the first extent
	resum := func(b []byte) []byte {
		sum(b[first:][:512], 24)
		return b
	}
	// used is the first entry of the extent that is.
	used := func(b []byte) []byte {
		e := b[first+40:]
		for e[3] == 0 {
			e = e[8:]
		}
		return e
	}
	for want, change := range map[string]func(b []byte) []byte{
		"the checksum of the header":   func(b []byte) []byte { b[100] = 1; return b },
		"a header of 4294967295 bytes": func(b []byte) []byte { be.PutUint32(b[56:], 1<<32-1); return b },
		"a name at 9999":               func(b []byte) []byte { be.PutUint32(b[4096+32:], 9999); sum(b[:first], 32); return b },
		"a name of 65535 bytes": func(b []byte) []byte {
			b[12289], b[12290] = 255, 255
			be.PutUint32(b[4096+32:], 1)
			sum(b[:first], 32)
			return b
		},
		"names of 4294967295 bytes":     func(b []byte) []byte { be.PutUint32(b[52:], 1<<32-1); return b },
		"has 0 bytes":                   func(b []byte) []byte { clear(b[4096+40:][:8]); sum(b[:first], 32); return b },
		"clusters, of which the file":   func(b []byte) []byte { be.PutUint64(b[4096+40:], 1<<47); sum(b[:first], 32); return b },
		"cluster":                       func(b []byte) []byte { be.PutUint64(b[4096+40:], 5<<20); sum(b[:first], 32); return b },
		"the checksum of the extent at": func(b []byte) []byte { b[first+41] ^= 1; return b },
		"is of another archive":         func(b []byte) []byte { b[first+8]++; return b },
		"there is no extent at":         func(b []byte) []byte { b[first]++; return b },
		"blocks, and not":               func(b []byte) []byte { b[first+7]++; return resum(b) },
		"of the disk 9, which does not": func(b []byte) []byte { used(b)[3] = 9; return resum(b) },
		"was it truncated":              func(b []byte) []byte { return b[:len(b)-5000] },
		"are not there":                 func(b []byte) []byte { return b[:first+512+blockSize*int(be.Uint16(b[first+6:]))] },
		"once more": func(b []byte) []byte {
			e := used(b)
			next := e[8:]
			for next[3] == 0 {
				next = next[8:]
			}
			copy(next[4:8], e[4:8])
			return resum(b)
		},
	} {
		b := change(bytes.Clone(good))
		d, err := vma.Open(testdisk.ReadOnly(b), "image", nil)
		if err == nil {
			d.Close()
		}
		if !errors.Is(err, vma.ErrDamaged) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "image") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(build(1, device{"drive-scsi0", imgtest.Content(1<<18, 5)}))
	f.Add(build(2, three()[:1]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Checksums keep mutations out: they are made right.
		if len(b) >= 12288 {
			if size := int(be.Uint32(b[56:])); size >= 12288 && size <= len(b) {
				sum(b[:size], 32)
				for at := size; at+512 <= len(b); {
					h := b[at:][:512]
					sum(h, 24)
					at += 512 + blockSize*int(be.Uint16(h[6:]))
				}
			}
		}
		imgtest.Fuzz(t, "vma", b, nil)
	})
}
