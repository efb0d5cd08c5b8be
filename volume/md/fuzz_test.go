package md

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"slices"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
	"github.com/unboot/unboot/volume/probe"
)

const fuzzSize = 256 << 10

// check opens devices and fails if a plan goes beyond them.
func check(t *testing.T, kind string, disks ...[]byte) {
	var list []*volume.Member
	for i, d := range disks {
		list = append(list, &volume.Member{
			R: bytes.NewReader(d), Size: int64(len(d)), SectorSize: 512, Name: "/dev/sd" + string(rune('a'+i)), Disk: true, Info: &probe.Info{Type: kind},
		})
	}
	for _, v := range Type.Open(t.Context(), list, &volume.Env{ForceDirty: true}) {
		if !v.Usable() {
			if len(v.Problems) == 0 || len(v.On()) == 0 {
				t.Errorf("nothing says why it cannot be used: %+v", v)
			}
			continue
		}
		if v.Size <= 0 {
			t.Errorf("an array of %d bytes: %+v", v.Size, v.Array)
		}
		seen := map[int]int{}
		for _, s := range v.Array.Slots {
			m := s.Base.(*volume.Member)
			if s.Offset < 0 || s.Size <= 0 || s.Size > m.Size || s.Offset > m.Size-s.Size || v.Array.Size > s.Size && s.Role >= 0 {
				t.Errorf("a slot beyond its member: %+v", s)
			}
			if seen[s.Role]++; s.Role >= 0 && seen[s.Role] > 2 {
				t.Errorf("several devices in the place %d", s.Role)
			}
		}
		_ = v.Info.(*Array).State()
	}
}

// twice returns two devices with a superblock, of which the second has another number.
func twice(off int64, sb []byte, number int, sum func([]byte)) [][]byte {
	var disks [][]byte
	for i := range 2 {
		d := make([]byte, fuzzSize)
		copy(d[off:], sb[:min(len(sb), 4096)])
		d[off+int64(number)] += byte(i)
		sum(d[off : off+4096])
		disks = append(disks, d)
	}
	return disks
}

func FuzzSuperblock1(f *testing.F) {
	s := mdtest.Spec{Version: "1.2", Level: 5, Layout: 2, Chunk: 64 << 10, Disks: 3, Sizes: []int64{4 * mib}, Missing: []int{2}}
	for _, level := range []int{-1, 0, 1, 4, 5, 6, 10} {
		s.Level, s.Layout = level, map[int]int{5: 2, 10: 0x102}[level]
		sb, _ := s.Superblock(0, 4*mib)
		binary.LittleEndian.PutUint64(sb[128:], 64)
		binary.LittleEndian.PutUint64(sb[136:], 256)
		if level > 0 {
			binary.LittleEndian.PutUint64(sb[80:], 256)
		}
		f.Add(slices.Clone(sb))
		binary.LittleEndian.PutUint32(sb[8:], 0xff)
		f.Add(sb)
	}
	f.Fuzz(func(t *testing.T, sb []byte) {
		check(t, "linux_raid_member", twice(4096, sb, 160, func(b []byte) {
			if binary.LittleEndian.Uint32(b[220:]) < maxRoles {
				mdtest.Sum1(b)
			}
		})...)
	})
}

func FuzzSuperblock0(f *testing.F) {
	s := mdtest.Spec{Version: "0.90", Level: 5, Layout: 2, Chunk: 4 << 10, Disks: 3, Sizes: []int64{fuzzSize}, Missing: []int{2}}
	for _, big := range []bool{false, true} {
		s.BigEndian = big
		sb, _ := s.Superblock(0, fuzzSize)
		f.Add(sb)
	}
	f.Fuzz(func(t *testing.T, sb []byte) {
		check(t, "linux_raid_member", twice(fuzzSize-reserved0, sb, 992*4, func(b []byte) {
			var order binary.ByteOrder = binary.LittleEndian
			if b[0] == 0xa9 {
				order = binary.BigEndian
			}
			order.PutUint32(b[4*38:], 0)
			var sum uint64
			for i := range 1024 {
				sum += uint64(order.Uint32(b[4*i:]))
			}
			order.PutUint32(b[4*38:], uint32(sum)+uint32(sum>>32))
		})...)
	})
}

// tail adds the ends of files as seeds.
func tail(f *testing.F, paths []string, n int) {
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[len(b)-n:])
	}
}

func FuzzDDF(f *testing.F) {
	const n = 64 << 10
	for _, level := range []uint8{0, 1, 5} {
		tail(f, mdtest.Container{Disks: 2, Size: fuzzSize, Offset: 512, Given: 64 << 10, Chunk: 4096, Level: level, Qualifier: level / 5 * 3, Seq: 1}.DDF(f), n)
	}
	sizes := map[uint32]int{ddfHeader: 512, 0xad111111: 512, ddfPhys: 1024, ddfVirt: 1024, ddfConfig: 1024, ddfData: 512}
	f.Fuzz(func(t *testing.T, end []byte) {
		if len(end) != n {
			return
		}
		end = slices.Clone(end)
		for at := 0; at < n; at += 512 {
			// Checksums are right, or nothing behind them would be tried.
			if size := sizes[binary.BigEndian.Uint32(end[at:])]; size > 0 && at+size <= n {
				b := end[at : at+size]
				copy(b[4:], []byte{0xff, 0xff, 0xff, 0xff})
				binary.BigEndian.PutUint32(b[4:], ^crc32.Update(^uint32(0), crc32.IEEETable, b))
			}
		}
		disk := append(make([]byte, fuzzSize-n), end...)
		check(t, "ddf_raid_member", disk, disk)
	})
}

func FuzzIMSM(f *testing.F) {
	const n = 4 << 10
	for _, level := range []uint8{0, 1, 5, 10} {
		tail(f, mdtest.Container{Disks: 4, Size: fuzzSize, Given: 64 << 10, Chunk: 4096, Name: "v", Level: level, Seq: 1}.IMSM(f)[:1], n)
	}
	f.Fuzz(func(t *testing.T, end []byte) {
		if len(end) != n {
			return
		}
		end = slices.Clone(end)
		anchor := end[n-1024:]
		if size := int(binary.LittleEndian.Uint32(anchor[36:])); size >= imsmHead && size <= 2048 {
			b := append(slices.Clone(anchor[:512]), end[n-1024-1536:n-1024]...)
			more := (size - 1) / 512 * 512
			copy(b[512:], end[n-1024-more:n-1024])
			var sum uint32
			binary.LittleEndian.PutUint32(b[32:], 0)
			for i := 0; i+4 <= size; i += 4 {
				sum += binary.LittleEndian.Uint32(b[i:])
			}
			binary.LittleEndian.PutUint32(anchor[32:], sum)
		}
		disk := append(make([]byte, fuzzSize-n), end...)
		check(t, "isw_raid_member", disk, disk, disk, disk)
	})
}
