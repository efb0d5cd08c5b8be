package super

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// partition, extent: what image is to write. Sizes are in sectors.
type partition struct {
	name          string
	attributes    uint32
	first, number uint32
}

type extent struct {
	sectors uint64
	kind    uint32
	at      uint64
	device  uint32
}

const deviceSize = 4 << 20

func seal(b []byte, at int) {
	clear(b[at : at+32])
	sum := sha256.Sum256(b)
	copy(b[at:], sum[:])
}

// image writes a device as liblp does: geometry and metadata twice.
func image(parts []partition, extents []extent) []byte {
	b := make([]byte, deviceSize)
	for i := range b[1<<20:] {
		b[1<<20+i] = byte(i / 512)
	}
	geometry := make([]byte, 52)
	le.PutUint32(geometry, geometryMagic)
	le.PutUint32(geometry[4:], 52)
	le.PutUint32(geometry[40:], 65536)
	le.PutUint32(geometry[44:], 2)
	le.PutUint32(geometry[48:], 4096)
	seal(geometry, 8)
	copy(b[4096:], geometry)
	copy(b[8192:], geometry)
	var tables []byte
	for _, p := range parts {
		e := make([]byte, 52)
		copy(e, p.name)
		le.PutUint32(e[36:], p.attributes)
		le.PutUint32(e[40:], p.first)
		le.PutUint32(e[44:], p.number)
		tables = append(tables, e...)
	}
	at := []int{0, len(tables)}
	for _, x := range extents {
		e := make([]byte, 24)
		le.PutUint64(e, x.sectors)
		le.PutUint32(e[8:], x.kind)
		le.PutUint64(e[12:], x.at)
		le.PutUint32(e[20:], x.device)
		tables = append(tables, e...)
	}
	at = append(at, len(tables))
	tables = append(tables, make([]byte, 48)...) // the group "default"
	at = append(at, len(tables))
	device := make([]byte, 64)
	le.PutUint64(device, 2048)
	le.PutUint64(device[16:], deviceSize)
	copy(device[24:], "super")
	tables = append(tables, device...)
	head := make([]byte, 128)
	le.PutUint32(head, headerMagic)
	le.PutUint16(head[4:], 10)
	le.PutUint32(head[8:], 128)
	le.PutUint32(head[44:], uint32(len(tables)))
	sum := sha256.Sum256(tables)
	copy(head[48:], sum[:])
	for i, d := range [][2]int{{len(parts), 52}, {len(extents), 24}, {1, 48}, {1, 64}} {
		le.PutUint32(head[80+12*i:], uint32(at[i]))
		le.PutUint32(head[84+12*i:], uint32(d[0]))
		le.PutUint32(head[88+12*i:], uint32(d[1]))
	}
	seal(head, 12)
	for i := range 4 {
		copy(b[3*4096+i*65536:], head)
		copy(b[3*4096+i*65536+128:], tables)
	}
	return b
}

func member(b []byte) *volume.Member {
	return &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda1", Info: &probe.Info{Type: "android_super"}}
}

var good = image([]partition{{"system_a", 1, 0, 2}, {"system_b", 1, 2, 0}, {"vendor_a", 0, 2, 2}, {"odm", 2, 4, 1}},
	[]extent{{8, 0, 2048, 0}, {16, 0, 4096, 0}, {8, 0, 2056, 0}, {8, 1, 0, 0}, {8, 0, 2064, 0}})

func lines(list []*volume.Volume) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%s %v:", v.Name, v.ReadOnly)
		for _, t := range v.Table {
			fmt.Fprintf(&b, " %s;", t.Line(func(b volume.Base) string { return b.(*volume.Member).Name }))
		}
		fmt.Fprintln(&b, v.Problems)
	}
	return b.String()
}

const goodLines = `system_a true: 0 8 linear /dev/sda1 2048; 8 16 linear /dev/sda1 4096;[]
vendor_a false: 0 8 linear /dev/sda1 2056; 8 8 zero ;[]
odm_a false: 0 8 linear /dev/sda1 2064;[]
`

// TestTables holds what the partitions are, that they are recognized, and what they read.
func TestTables(t *testing.T) {
	m := member(good)
	list := open(context.Background(), []*volume.Member{m}, nil)
	if got := lines(list); got != goodLines {
		t.Errorf("%s\nwant %s", got, goodLines)
	}
	if info, err := probe.Probe(m.R, m.Size); err != nil || info.Type != "android_super" || info.Usage != probe.RAID {
		t.Errorf("%+v, %v", info, err)
	}
	r, ok := volume.NewReader(list[0].Table, func(b volume.Base) io.ReaderAt { return b.(*volume.Member).R })
	got := make([]byte, 24*512)
	want := append(bytes.Clone(good[2048*512:][:8*512]), good[4096*512:][:16*512]...)
	if !ok {
		t.Fatal("no reader")
	}
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, %v", err)
	}
}

// TestCopies holds that what is damaged once is read from its copy.
func TestCopies(t *testing.T) {
	for name, test := range map[string]struct {
		at   []int
		says string
	}{
		"a geometry":     {[]int{4096 + 20}, ""},
		"both":           {[]int{4096 + 20, 8192 + 44}, "no geometry"},
		"a head":         {[]int{3*4096 + 30}, ""},
		"tables":         {[]int{3*4096 + 128, 3*4096 + 65536 + 200}, ""},
		"all the tables": {[]int{3*4096 + 128, 3*4096 + 65536 + 128, 3*4096 + 2*65536 + 128, 3*4096 + 3*65536 + 128}, "are damaged"},
	} {
		b := bytes.Clone(good)
		for _, at := range test.at {
			b[at] ^= 1
		}
		m := member(b)
		got := lines(open(context.Background(), []*volume.Member{m}, nil))
		if test.says == "" && (got != goodLines || len(m.Problems) > 0) || test.says != "" && (len(m.Problems) != 1 || !strings.Contains(m.Problems[0], test.says)) {
			t.Errorf("%s: %s, %q", name, got, m.Problems)
		}
	}
}

// TestBad holds that extents that lie make a partition unusable, and no other.
func TestBad(t *testing.T) {
	for want, e := range map[string]extent{
		"has an impossible size":               {0, 0, 2048, 0},
		"its extent 0 has an impossible siz":   {1 << 63, 0, 2048, 0},
		"lies outside of the device's data":    {8, 0, deviceSize/512 - 7, 0},
		"its extent 0 lies outside of the dev": {8, 0, 2047, 0},
		`lies on the device "number 7"`:        {8, 0, 2048, 7},
	} {
		m := member(image([]partition{{"bad", 0, 0, 1}, {"good", 0, 1, 1}}, []extent{e, {8, 0, 2048, 0}}))
		list := open(context.Background(), []*volume.Member{m}, nil)
		if len(list) != 2 || list[1].Table == nil {
			t.Fatalf("%s", lines(list))
		}
		if e.sectors == 1<<63 && list[0].Table == nil && strings.Contains(list[0].Problems[0], "outside") {
			continue
		}
		if list[0].Table != nil || !strings.Contains(list[0].Problems[0], want) {
			t.Errorf("%s: %s", want, lines(list))
		}
	}
	m := member(image([]partition{{"bad", 0, 1, 4000000000}}, nil))
	if list := open(context.Background(), []*volume.Member{m}, nil); len(list) != 0 || len(m.Problems) != 1 {
		t.Errorf("%s, %q", lines(list), m.Problems)
	}
	// Names are made fit for the device mapper, and each is there once.
	m = member(image([]partition{{"a/b", 0, 0, 1}, {"a b", 0, 0, 1}}, []extent{{8, 0, 2048, 0}}))
	if list := open(context.Background(), []*volume.Member{m}, nil); len(list) != 2 || list[0].Name != "a_b" || list[1].Name != "a_b-2" {
		t.Error(lines(list))
	}
}

// FuzzMetadata reads tables that are the input, with the right checksums.
func FuzzMetadata(f *testing.F) {
	f.Add(good[3*4096:][:128], good[3*4096+128:][:1024])
	f.Fuzz(func(t *testing.T, head, tables []byte) {
		if len(head) < 128 || len(tables) > 60000 {
			return
		}
		b := bytes.Clone(good[:1<<20])
		head = bytes.Clone(head[:128])
		le.PutUint32(head[8:], 128)
		le.PutUint32(head[44:], uint32(len(tables)))
		sum := sha256.Sum256(tables)
		copy(head[48:], sum[:])
		seal(head, 12)
		copy(b[3*4096:], head)
		copy(b[3*4096+128:], tables)
		m := member(b)
		for _, v := range open(context.Background(), []*volume.Member{m}, nil) {
			if v.Table == nil && len(v.Problems) == 0 || v.Size < 0 || strings.ContainsAny(v.Name, "/ ") {
				t.Errorf("%+v", v)
			}
		}
	})
}
