package mdtest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// A Container describes disks with the metadata of a firmware RAID, and one array on them.
type Container struct {
	Disks  int
	Size   int64 // of each disk, in bytes
	Offset int64 // of the array's data on each, in bytes
	Given  int64 // of each disk to the array, in bytes
	Chunk  int64
	Name   string
	Dirty  bool
	Seq    uint32

	// Level and Qualifier are DDF's; IMSM has only levels.
	Level, Qualifier uint8
	// Mirrors is how many disks each part of a DDF RAID10 has, or 0.
	Mirrors int
}

// files writes the metadata of each disk.
func (c Container) files(t testing.TB, write func(f *os.File, number int) error) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := range c.Disks {
		path := filepath.Join(dir, fmt.Sprintf("disk%d.img", i))
		f, err := os.Create(path)
		if err == nil {
			err = f.Truncate(c.Size)
		}
		if err == nil {
			err = write(f, i)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		paths = append(paths, path)
	}
	return paths
}

// DDF writes disks with DDF metadata, as SNIA's Common RAID Disk Data Format 1.2 has them.
func (c Container) DDF(t testing.TB) []string {
	t.Helper()
	return c.files(t, func(f *os.File, number int) error {
		const maxDisks, maxConfs = 15, 3
		be := binary.BigEndian
		start := c.Size/512 - 128
		fill := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = 0xff
			}
			return b
		}
		guid := func(b []byte, n uint32) {
			copy(b, "Linux-MD")
			be.PutUint32(b[8:], 0xdeadbeef)
			be.PutUint32(b[12:], 0)
			be.PutUint32(b[16:], 1000000000)
			be.PutUint32(b[20:], n)
		}
		sum := func(b []byte) []byte {
			copy(b[4:], fill(4))
			be.PutUint32(b[4:], ^crc32.Update(^uint32(0), crc32.IEEETable, b))
			return b
		}
		header := func(kind uint8) []byte {
			b := fill(512)
			be.PutUint32(b, 0xde11de11)
			guid(b[8:], 1)
			copy(b[32:], "01.02.00")
			be.PutUint32(b[40:], c.Seq)
			be.PutUint32(b[44:], 1000000000)
			b[48], b[49], b[50] = 0, 0, 0
			be.PutUint64(b[96:], uint64(start))
			b[112] = kind
			be.PutUint32(b[116:], 32)
			be.PutUint64(b[120:], uint64(start-32))
			for i, v := range []uint16{maxDisks, maxDisks, maxConfs, 2, 16} {
				be.PutUint16(b[128+2*i:], v)
			}
			for i, v := range []uint32{1, 1, 2, 2, 4, 2, 6, 2 * (maxConfs + 1), 14, 1} {
				be.PutUint32(b[192+4*i:], v)
			}
			return sum(b)
		}
		controller := fill(512)
		be.PutUint32(controller, 0xad111111)
		guid(controller[8:], 2)
		phys := fill(1024)
		be.PutUint32(phys, 0x22222222)
		be.PutUint16(phys[8:], uint16(c.Disks))
		be.PutUint16(phys[10:], maxDisks)
		ref := func(i int) uint32 { return 0x1000 + uint32(i)*0x11 }
		for i := range c.Disks {
			e := phys[64+64*i:]
			guid(e, 16+uint32(i))
			be.PutUint32(e[24:], ref(i))
			be.PutUint16(e[28:], 2)
			be.PutUint16(e[30:], 1)
			be.PutUint64(e[32:], uint64(start-32))
		}
		virt := fill(1024)
		be.PutUint32(virt, 0xdddddddd)
		be.PutUint16(virt[8:], 1)
		be.PutUint16(virt[10:], maxDisks)
		guid(virt[64:], 3)
		be.PutUint16(virt[64+24:], 0)
		be.PutUint16(virt[64+30:], 0)
		virt[64+32], virt[64+33] = 0, 2
		if c.Dirty {
			virt[64+32] = 0x10
		}
		copy(virt[64+48:64+64], fmt.Sprintf("%-16s", c.Name))
		conf := fill(1024)
		be.PutUint32(conf, 0xeeeeeeee)
		guid(conf[8:], 3)
		be.PutUint32(conf[32:], 1000000000)
		be.PutUint32(conf[36:], 1)
		count, parts, part := c.Disks, 1, 0
		if c.Mirrors > 0 {
			count, parts, part = c.Mirrors, c.Disks/c.Mirrors, number/c.Mirrors
		}
		be.PutUint16(conf[64:], uint16(count))
		for shift := uint8(0); 512<<shift <= c.Chunk; shift++ {
			conf[66] = shift
		}
		conf[67], conf[68], conf[69], conf[70], conf[71] = c.Level, c.Qualifier, uint8(parts), uint8(part), 0xff
		if parts > 1 {
			conf[71] = 3
		}
		be.PutUint64(conf[72:], uint64(c.Given/512))
		for i := range count {
			be.PutUint32(conf[512+4*i:], ref(part*count+i))
			be.PutUint64(conf[512+4*16+8*i:], uint64(c.Offset/512))
		}
		data := fill(512)
		be.PutUint32(data, 0x33333333)
		guid(data[8:], 16+uint32(number))
		be.PutUint32(data[32:], ref(number))
		data[36], data[37] = 1, 1
		all := append(header(1), sum(controller)...)
		all = append(append(append(all, sum(phys)...), sum(virt)...), sum(conf)...)
		all = append(append(all, fill(1024*maxConfs)...), sum(data)...)
		if _, err := f.WriteAt(all, start*512); err != nil {
			return err
		}
		_, err := f.WriteAt(header(0), c.Size-512)
		return err
	})
}

// IMSM writes disks with Intel's metadata. Their serial numbers are DISK0, DISK1….
func (c Container) IMSM(t testing.TB) []string {
	t.Helper()
	return c.files(t, func(f *os.File, number int) error {
		le := binary.LittleEndian
		b := make([]byte, 216+48*c.Disks+112+48+4*c.Disks)
		copy(b, "Intel Raid ISM Cfg Sig. 1.3.00")
		le.PutUint32(b[36:], uint32(len(b)))
		le.PutUint32(b[40:], 0x12345678)
		le.PutUint32(b[44:], c.Seq)
		le.PutUint32(b[52:], 0xa4000000|map[uint8]uint32{0: 1, 1: 2, 5: 0x10, 10: 4}[c.Level])
		b[56], b[57] = uint8(c.Disks), 1
		le.PutUint32(b[64:], 0x12345678)
		for i := range c.Disks {
			d := b[216+48*i:]
			copy(d, fmt.Sprintf("DISK%d", i))
			le.PutUint32(d[16:], uint32(c.Size/512))
			le.PutUint32(d[20:], uint32(i))
			le.PutUint32(d[24:], 0x132)
		}
		dev := b[216+48*c.Disks:]
		copy(dev[:16], c.Name)
		data := int64(c.Disks)
		each := c.Chunk
		switch c.Level {
		case 1, 10:
			data, each = data/2, 2*c.Chunk
		case 5:
			data--
		}
		le.PutUint64(dev[16:], uint64(c.Given*data/512))
		le.PutUint16(dev[40:], 1)
		if c.Dirty {
			dev[90] = 1
		}
		m := dev[112:]
		le.PutUint32(m, uint32(c.Offset/512))
		le.PutUint32(m[4:], uint32(c.Given/512))
		le.PutUint32(m[8:], uint32(c.Given/each))
		le.PutUint16(m[12:], uint16(c.Chunk/512))
		m[15], m[16], m[17] = c.Level, uint8(c.Disks), 1
		if c.Level == 10 || c.Level == 1 {
			m[15], m[17] = 1, 2
		}
		m[18] = 0xff
		m[19] = 1
		for i := range c.Disks {
			le.PutUint32(m[48+4*i:], uint32(i))
		}
		var sum uint32
		for i := 0; i < len(b); i += 4 {
			sum += le.Uint32(b[i:])
		}
		le.PutUint32(b[32:], sum)
		if len(b) > 512 {
			more := make([]byte, (len(b)-1)/512*512)
			copy(more, b[512:])
			if _, err := f.WriteAt(more, c.Size-1024-int64(len(more))); err != nil {
				return err
			}
		}
		_, err := f.WriteAt(b[:min(512, len(b))], c.Size-1024)
		return err
	})
}
