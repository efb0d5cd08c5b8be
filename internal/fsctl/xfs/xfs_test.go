package xfs

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl/fsctltest"
	"github.com/unboot/unboot/internal/testimg"
)

// TestParseSuperblock compares with what mkfs.xfs(8) says that it has made.
func TestParseSuperblock(t *testing.T) {
	testimg.Need(t, "mkfs.xfs")
	for _, options := range [][]string{
		{},
		{"-b", "size=2048", "-i", "size=1024,maxpct=10", "-n", "size=8192", "-d", "agcount=2,sunit=64,swidth=128", "-l", "size=64m"},
		{"-n", "version=ci"},
	} {
		img := filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(img, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(img, 500<<20); err != nil {
			t.Fatal(err)
		}
		said := testimg.MustRun(t, "mkfs.xfs", append(options, "-f", img)...)
		f, err := os.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sb := make([]byte, SuperblockSize)
		if _, err := f.ReadAt(sb, 0); err != nil {
			t.Fatal(err)
		}
		g, ok := ParseSuperblock(sb)
		if !ok {
			t.Fatalf("%v: no XFS", options)
		}
		ci := 0
		if g.Has(DirCI) {
			ci = 1
		}
		flat := strings.Join(strings.Fields(said), " ")
		for _, want := range []string{
			fmt.Sprintf("isize=%d agcount=%d, agsize=%d blks", g.InodeSize, g.AGCount, g.AGBlocks),
			fmt.Sprintf("sectsz=%d attr=2", g.SectorSize),
			fmt.Sprintf("data = bsize=%d blocks=%d, imaxpct=%d", g.BlockSize, g.DataBlocks, g.MaxPercent),
			fmt.Sprintf("sunit=%d swidth=%d blks", g.Unit, g.Width),
			fmt.Sprintf("naming =version 2 bsize=%d ascii-ci=%d,", g.DirBlockSize, ci),
			fmt.Sprintf("bsize=%d blocks=%d, version=2", g.BlockSize, g.LogBlocks),
			fmt.Sprintf("sectsz=%d sunit=%d blks, lazy-count=1", g.LogSectorSize, g.LogUnit/g.BlockSize),
			fmt.Sprintf("realtime =none extsz=%d blocks=0, rtextents=0", g.RTExtentSize*g.BlockSize),
		} {
			if !strings.Contains(flat, want) {
				t.Errorf("%v: no %q in\n%s", options, want, said)
			}
		}
		if g.LogStart == 0 || !g.Has(Attr2) || !g.Has(DirV2) || !g.Has(LogV2) || !g.Has(LazyCounters) || !g.Has(V5Superblocks) {
			t.Errorf("%v: %+v", options, g)
		}
	}
}

// TestGeometry reads an answer of the kernel, and refuses one without a size of blocks.
func TestGeometry(t *testing.T) {
	v := &fsctltest.View{Answer: func(c *fsctltest.Call, arg []byte) error {
		if c.Req != 0x8070587c { // XFS_IOC_FSGEOMETRY_V4
			t.Errorf("%#x", c.Req)
		}
		for i := 0; i < len(arg); i += 4 {
			binary.NativeEndian.PutUint32(arg[i:], uint32(i))
		}
		binary.NativeEndian.PutUint32(arg, 4096)
		return nil
	}}
	g, err := FS{View: v}.Geometry()
	if err != nil || g.BlockSize != 4096 || g.AGCount != 12 || g.DataBlocks != 36<<32|32 || g.Flags != 92 || g.LogUnit != 108 {
		t.Errorf("%+v, %v", g, err)
	}
	v.Answer = nil
	if _, err := (FS{View: v}).Geometry(); err != unix.EUCLEAN {
		t.Error(err)
	}
}

// TestGrow finds the numbers and the bytes of the ioctls that grow.
func TestGrow(t *testing.T) {
	v := &fsctltest.View{}
	fs := FS{View: v, FD: 5}
	ne := binary.NativeEndian
	for _, err := range []error{fs.GrowData(1<<33, 25), fs.GrowLog(7), fs.GrowRealtime(9, 2)} {
		if err != nil {
			t.Error(err)
		}
	}
	data, log, rt := v.Calls[0], v.Calls[1], v.Calls[2]
	if data.Req != 0x4010586e || ne.Uint64(data.Arg) != 1<<33 || ne.Uint32(data.Arg[8:]) != 25 {
		t.Errorf("%+v", data)
	}
	if log.Req != 0x4008586f || ne.Uint32(log.Arg) != 7 || ne.Uint32(log.Arg[4:]) != 1 {
		t.Errorf("%+v", log)
	}
	if rt.Req != 0x40105870 || ne.Uint64(rt.Arg) != 9 || ne.Uint32(rt.Arg[8:]) != 2 {
		t.Errorf("%+v", rt)
	}
}

func FuzzParseSuperblock(f *testing.F) {
	f.Add([]byte("XFSB\x00\x00\x10\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseSuperblock(b)
		sb := make([]byte, SuperblockSize)
		copy(sb, b)
		if g, ok := ParseSuperblock(sb); ok && (g.BlockSize == 0 || g.DirBlockSize < g.BlockSize) {
			t.Errorf("%+v", g)
		}
	})
}
