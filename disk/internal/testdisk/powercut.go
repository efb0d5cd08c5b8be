package testdisk

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
)

// A Cut is a program of writes to an image, and looks what is there if the power is cut.
type Cut struct {
	Rand *rand.Rand
	Unit int64 // of allocation, for writes that begin or end with one
	// Sector is what is written at least, in bytes, if it is not 512.
	Sector int64
	// Open opens an image, for writing if the file is.
	Open func(d *Disk) (disk.Device, error)
	// Check looks whether an image that was cut off is in order.
	Check func(d *Disk) error

	sectors [][]version // of the disk
	flushed []flushed
}

// A version is what a sector of the disk had from an operation on, which began when so much
// had been logged. Data that is nil is zeros.
type version struct {
	began int
	data  []byte
}

// flushed says where in the log a flush had ended, and how many versions of each sector there
// were.
type flushed struct {
	log      int
	versions []int
}

const cutSector = 512

// Run makes so many operations on an image, which has a disk of zeros, and then cuts the power
// in all places where something had been flushed, and in some after each: of the sectors that
// were written since, any may be there or not.
func (c *Cut) Run(t *testing.T, d *Disk, operations int) {
	t.Helper()
	stable := d.Clone()
	d.Record = true
	m, err := c.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	c.sectors = make([][]version, m.Size()/cutSector)
	for i := range c.sectors {
		c.sectors[i] = []version{{}}
	}
	c.note(0)
	for range operations {
		if err := c.operate(d, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	c.note(len(d.Log))
	c.replay(t, stable, d.Log)
}

// note notes that all is flushed.
func (c *Cut) note(log int) {
	f := flushed{log: log, versions: make([]int, len(c.sectors))}
	for i, s := range c.sectors {
		f.versions[i] = len(s)
	}
	c.flushed = append(c.flushed, f)
}

// operate does something to the image.
func (c *Cut) operate(d *Disk, m disk.Device) error {
	size := m.Size()
	sector := max(c.Sector, cutSector)
	n := sector * (1 + c.Rand.Int64N(64))
	off := c.Rand.Int64N((size-n)/sector+1) * sector
	if c.Rand.IntN(3) == 0 {
		off = off / c.Unit * c.Unit
		n = min(c.Unit, size-off)
	}
	began := len(d.Log)
	set := func(data []byte) {
		for i := int64(0); i < n; i += cutSector {
			v := version{began: began}
			if data != nil {
				v.data = data[i:][:cutSector]
			}
			s := &c.sectors[(off+i)/cutSector]
			*s = append(*s, v)
		}
	}
	switch c.Rand.IntN(8) {
	case 0:
		if z, ok := disk.As[disk.ZeroWriter](m); ok {
			set(nil)
			return z.WriteZeroes(off, n)
		}
	case 1:
		x, ok := disk.As[disk.Discarder](m)
		if !ok {
			return nil
		}
		if err := x.Discard(off, n); err != nil {
			return err
		}
		set(nil)
		b := make([]byte, n)
		_, err := m.ReadAt(b, off)
		set(b)
		return err
	case 2, 3:
		if err := m.Flush(); err != nil {
			return err
		}
		c.note(len(d.Log))
	default:
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(c.Rand.Uint32())
		}
		set(b)
		_, err := m.WriteAt(b, off)
		return err
	}
	return nil
}

// replay cuts the power, with stable as what was there at first.
func (c *Cut) replay(t *testing.T, stable *Disk, log []Record) {
	t.Helper()
	for i := 0; i <= len(log); {
		end := i
		for end < len(log) && (log[end].Data != nil || log[end].Resize) {
			end++
		}
		for try := range 4 {
			at := i
			if try > 0 {
				at += c.Rand.IntN(end - i + 1)
			}
			d := stable.Clone()
			for _, r := range log[i:at] {
				c.applySome(d, r)
			}
			if c.look(t, d, at); t.Failed() {
				t.Fatalf("the power was cut after %d of %d writes, flushed up to %d", at, len(log), i)
			}
		}
		for _, r := range log[i:end] {
			apply(stable, r)
		}
		i = end + 1
	}
}

func apply(d *Disk, r Record) {
	if r.Resize {
		d.Resize(r.Off)
	} else {
		d.Put(r.Data, r.Off)
	}
}

// applySome does some of what was done.
func (c *Cut) applySome(d *Disk, r Record) {
	if r.Resize {
		if c.Rand.IntN(2) == 0 {
			apply(d, r)
		}
		return
	}
	for s := 0; s < len(r.Data); s += cutSector {
		if c.Rand.IntN(2) == 0 {
			d.Put(r.Data[s:min(s+cutSector, len(r.Data))], r.Off+int64(s))
		}
	}
}

// look looks at an image that was cut off at a place in the log: read as it is, and after it
// was opened for writing.
func (c *Cut) look(t *testing.T, d *Disk, at int) {
	t.Helper()
	d.ReadOnly = true
	c.compare(t, d, at)
	if t.Failed() {
		return
	}
	if err := c.Check(d); err != nil {
		t.Error(err)
		return
	}
	d.ReadOnly = false
	if m, err := c.Open(d); err != nil {
		t.Error(err)
	} else if err := m.Close(); err != nil {
		t.Error(err)
	}
	d.ReadOnly = true
	c.compare(t, d, at)
}

// compare verifies that each sector has what was flushed last, or something later.
func (c *Cut) compare(t *testing.T, d *Disk, at int) {
	t.Helper()
	m, err := c.Open(d)
	if err != nil {
		t.Error(err)
		return
	}
	defer m.Close()
	var base flushed
	for _, f := range c.flushed {
		if f.log <= at {
			base = f
		}
	}
	got := make([]byte, m.Size())
	if _, err := m.ReadAt(got, 0); err != nil {
		t.Error(err)
		return
	}
	none := make([]byte, cutSector)
	for i, versions := range c.sectors {
		sector, ok := got[i*cutSector:][:cutSector], false
		for n := base.versions[i] - 1; n < len(versions) && (n < base.versions[i] || versions[n].began <= at) && !ok; n++ {
			want := versions[n].data
			if want == nil {
				want = none
			}
			ok = bytes.Equal(sector, want)
		}
		if !ok {
			t.Errorf("the sector at %d has neither what was flushed nor what came later: %x…", i*cutSector, sector[:8])
			return
		}
	}
}
