package md

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// TestCorpus opens the members of arrays among the images of util-linux's tests.
func TestCorpus(t *testing.T) {
	for _, b := range testimg.BlkidImages(t, "images-fs", "low-probe-", 90) {
		switch b.Name {
		case "mdraid", "ddf-raid", "isw-raid":
		default:
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			path := b.Unpack(t)
			m := members(t, []string{path})[0]
			switch b.Name {
			case "mdraid":
				v := openOne(t, []*volume.Member{m}, nil)
				a := v.Info.(*Array)
				out := examine(t, path)
				if v.Array == nil || v.Kind != "raid1" || a.State() != "clean, degraded" || !said(out, "UUID", v.UUID) || !said(out, "Array Size", fmt.Sprint(v.Size>>10)) {
					t.Errorf("%+v; mdadm says:\n%s", v, out)
				}
			case "ddf-raid":
				// It has two spares and no virtual disk.
				d, err := readDDF(m)
				if err != nil {
					t.Fatal(err)
				}
				for ref, state := range d.states {
					if out := examine(t, path); state != ddfOnline || !strings.Contains(out, fmt.Sprintf("%08x", ref)) {
						t.Errorf("disk %08x, state %d; mdadm says:\n%s", ref, state, out)
					}
				}
				if len(d.states) != 2 || len(d.virtual) != 0 || len(d.configs) != 0 {
					t.Errorf("%+v", d)
				}
			case "isw-raid":
				// A RAID0 of two disks, of which this is the end of one.
				s, err := readIMSM(m)
				if err != nil {
					t.Fatal(err)
				}
				out := examine(t, path)
				v, c := &s.volumes[0], s.volumes[0].now
				for field, want := range map[string]any{
					"Family": fmt.Sprintf("%08x", s.family), "Generation": fmt.Sprintf("%08x", s.generation), "RAID Level": c.level, "Members": len(c.order),
					"Array Size": v.size / 512, "Per Dev Size": v.member(0) / 512, "Sector Offset": c.offset, "Num Stripes": c.stripes,
					"Chunk Size": fmt.Sprint(c.strip>>10, " KiB"), "Disk00 Serial": s.disks[0].serial, "Disk01 Serial": s.disks[1].serial,
				} {
					if !said(out, field, fmt.Sprint(want)) {
						t.Errorf("%s %v; mdadm says:\n%s", field, want, out)
					}
				}
			}
		})
	}
}

// TestEverySize is that devices of any size are read without a panic.
func TestEverySize(t *testing.T) {
	f, err := os.Open("/dev/zero")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	for _, size := range []int64{0, 1, 511, 512, 4095, 4096, 8191, 64 << 10, 128 << 10, 1<<63 - 1} {
		if _, err := Read(f, size); !errors.Is(err, errNone) {
			t.Errorf("%d bytes: %v", size, err)
		}
		m := &volume.Member{R: f, Size: size, SectorSize: 4096}
		if _, err := readDDF(m); !errors.Is(err, errNone) {
			t.Errorf("DDF, %d bytes: %v", size, err)
		}
		if _, err := readIMSM(m); !errors.Is(err, errNone) {
			t.Errorf("IMSM, %d bytes: %v", size, err)
		}
	}
}
