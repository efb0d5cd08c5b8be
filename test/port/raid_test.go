package port

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

const (
	raidMember = 1 << 20
	raidChunk  = 64 << 10
)

// Parity is what the mathematics say, whatever computes it: P is the sum of the data, and Q
// that of each disk's times 2 to the power of its number, in GF(2^8) with 0x11d. Without two
// of the disks, the data are what they were.
func TestRAID(t *testing.T) {
	for _, c := range []struct {
		kind         string
		data, parity int
	}{
		{"raid5_n", 2, 1}, {"raid5_n", 4, 1}, {"raid5_n", 7, 1},
		{"raid6_n_6", 3, 2}, {"raid6_n_6", 4, 2}, {"raid6_n_6", 9, 2},
	} {
		t.Run(fmt.Sprint(c.kind, c.data+c.parity), func(t *testing.T) {
			testRAID(t, c.kind, c.data, c.parity)
		})
	}
}

func testRAID(t *testing.T, kind string, data, parity int) {
	var images, devices []string
	content := noise(data*raidMember, uint64(data))
	m := newMachine(t, &lkl.Config{})
	for range data + parity {
		for _, size := range []int{raidMember, raidMember} { // metadata, data
			images = append(images, image(t, make([]byte, size)))
			devices = append(devices, m.disk(images[len(images)-1]))
		}
	}
	degraded := func(missing ...int) []byte {
		p, list := fmt.Sprintf("%s 1 %d %d", kind, raidChunk/512, data+parity), []string(nil)
		for i := range data + parity {
			if slices.Contains(missing, i) {
				p += " - -"
				continue
			}
			p += " - @" // with metadata, the others would count as failed ever after
			list = append(list, devices[2*i+1])
		}
		d := m.must("array", int64(len(content)), "raid", p, nil, list...)
		defer m.remove("array")
		return m.read(d, len(content))
	}

	p := fmt.Sprintf("%s 1 %d %d", kind, raidChunk/512, data+parity) + strings.Repeat(" @ @", data+parity)
	d := m.must("array", int64(len(content)), "raid", p, nil, devices...)
	m.write(d, content[:len(content)/2]) // full stripes
	m.write(d, content[:raidChunk/2+512])
	fd, err := m.k.Open(d.Node(), os.O_WRONLY, 0)
	rig.Check(t, "opening", err)
	for at := len(content) / 2; at < len(content); at += 3 << 10 { // and pieces of them
		_, err := m.k.Pwrite(fd, content[at:min(at+3<<10, len(content))], int64(at))
		rig.Check(t, "writing", err)
		if at%(24<<10) == 0 {
			rig.Check(t, "syncing", m.k.Fsync(fd))
		}
	}
	rig.Check(t, "syncing", m.k.Fsync(fd))
	rig.Check(t, "closing", m.k.CloseFd(fd))
	for { // until it is in sync: it is new
		status, err := m.c.Status("array")
		rig.Check(t, "status", err)
		if strings.Contains(status[0], " idle ") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.remove("array")
	checkParity(t, images, data, parity)

	for a := range data + parity {
		if !bytes.Equal(degraded(a), content) {
			t.Errorf("other data without disk %d", a)
		}
		for b := a + 1; parity == 2 && b < data+parity; b++ {
			if !bytes.Equal(degraded(a, b), content) {
				t.Errorf("other data without disks %d and %d", a, b)
			}
		}
	}
}

// checkParity computes the parity of what the images hold. Every other image is one of data.
func checkParity(t *testing.T, images []string, data, parity int) {
	t.Helper()
	p, q := make([]byte, raidMember), make([]byte, raidMember)
	for i := data - 1; i >= 0; i-- {
		b, err := os.ReadFile(images[2*i+1])
		rig.Check(t, "reading", err)
		for j := range b {
			p[j] ^= b[j]
			q[j] = q[j]<<1 ^ q[j]>>7*0x1d ^ b[j]
		}
	}
	for i, want := range [][]byte{p, q}[:parity] {
		got, err := os.ReadFile(images[2*(data+i)+1])
		rig.Check(t, "reading", err)
		if !bytes.Equal(got, want) {
			t.Errorf("%d data disks: other parity than %c", data, "PQ"[i])
		}
	}
}
