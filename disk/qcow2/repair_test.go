package qcow2

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// A disk that becomes smaller has what is left, and the clusters behind its end are free; when
// it grows again there are zeros.
func TestShrink(t *testing.T) {
	for _, options := range []string{"", "cluster_size=512", "extended_l2=on", "compat=0.10"} {
		image := withData(t, options, 1<<20)
		m, err := openWritable(image)
		if err != nil {
			t.Fatal(err)
		}
		want := readAll(t, m)
		for _, size := range []int{300<<10 + 512, 128 << 10, 500 << 10, 512, 200 << 10} {
			if err := m.Resize(int64(size)); err != nil {
				t.Fatal(err)
			}
			want = append(want[:min(size, len(want))], make([]byte, max(size-len(want), 0))...)
			if got := readAll(t, m); !bytes.Equal(got, want) {
				t.Errorf("%q, %d bytes: differs from %d on", options, size, differs(got, want))
			}
		}
		if _, err := m.CreateSnapshot(disk.Snapshot{Name: "s"}); err != nil {
			t.Error(err)
		}
		if err := m.Resize(512); !errors.Is(err, errShrinkSnapshots) {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "qcow2", image)
		if got := readAll(t, open(t, image)); !bytes.Equal(got, want) {
			t.Errorf("%q: differs from %d on", options, differs(got, want))
		}
	}
}

// An image whose reference counts, or the bits of entries, are wrong is repaired so that QEMU
// finds nothing, with all of the disk and of its snapshot.
func TestRepair(t *testing.T) {
	for i := range 10 {
		image := withData(t, "cluster_size=4K", 1<<20)
		testimg.MustRun(t, "qemu-img", "snapshot", "-c", "s", image)
		testimg.MustRun(t, "qemu-io", "-f", "qcow2", "-c", "write -P 2 100k 100k", image)
		m := open(t, image)
		want := readAll(t, m)
		r := rand.New(rand.NewPCG(uint64(i), 3))
		b, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		block := be.Uint64(b[m.h.refTable:]) & refBlockOffset
		for range 1 + r.IntN(4) {
			switch r.IntN(3) {
			case 0:
				be.PutUint16(b[block+2*uint64(r.IntN(len(b)>>12)):], uint16(r.IntN(4)))
			case 1:
				b[m.h.l1Offset] ^= 0x80
			case 2:
				l2 := be.Uint64(b[m.h.l1Offset:]) & entryOffset
				if at := l2 + 8*uint64(r.IntN(91)); be.Uint64(b[at:]) != 0 {
					b[at] ^= 0x80
				}
			}
		}
		rec := &recorder{b: b}
		res, err := Check(rec, "image", disk.RepairAll)
		if err != nil || res.ErrorsFixed != res.Errors || res.LeaksFixed != res.Leaks {
			t.Fatalf("%d: %+v, %v", i, res, err)
		}
		if res, err = Check(rec, "image", disk.RepairNothing); err != nil || res.Errors+res.Leaks != 0 {
			t.Errorf("%d: after that, %+v, %v", i, res, err)
		}
		if err := os.WriteFile(image, rec.b, 0o600); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "qcow2", image)
		if got := readAll(t, open(t, image)); !bytes.Equal(got, want) {
			t.Errorf("%d: differs from %d on", i, differs(got, want))
		}
		old, err := openFile(image, Options{Snapshot: "s"})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, old); got[100<<10] != 1 || got[64<<10] != 1 || got[0] != 0 {
			t.Errorf("%d: the snapshot differs", i)
		}
		old.Close()
	}
}
