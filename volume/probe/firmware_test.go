package probe

import (
	"bytes"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// What lies in front of a member is told, but not what the device is; a partition is
// never a member of firmware's RAID.
func TestMemberInFront(t *testing.T) {
	const size = 64 << 20
	for name, m := range map[string]struct {
		off   int64
		data  string
		whole bool
	}{
		"isw_raid_member":               {size - 1024, "Intel Raid ISM Cfg Sig. 1.3.00\x00", true},
		"lsi_mega_raid_member":          {size - 512, "$XIDE$", true},
		"promise_fasttrack_raid_member": {size - 63*512, "Promise Technology, Inc.", true},
		"hpt45x_raid_member":            {size - 11*512, "\xf3\x16\x78\x5a", true},
		"drbd":                          {size - 4096 + 60, "\x83\x74\x02\x6d", false},
		"apple_raid_member":             {size - 4096, "AppleRAIDHeader\x00", false},
		"ddf_raid_member":               {size - 512, "\xde\x11\xde\x11", false},
	} {
		t.Run(name, func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Label: "inside"}))
			testimg.MustRun(t, "truncate", "-s", "64M", image)
			write(t, image, m.off, m.data)
			info := probeFile(t, image)
			if info.Type != name || info.Usage != RAID || info.Label != "" {
				t.Errorf("%+v", info)
			}
			if len(info.Others) != 1 || info.Others[0] != "ext4" || info.DataEnd <= 0 {
				t.Errorf("inside: %q, up to %d", info.Others, info.DataEnd)
			}
			want := "ext4"
			if !m.whole {
				want = name
			}
			data := make([]byte, size)
			readAll(t, image, data)
			if info, err := Partition(bytes.NewReader(data), size); err != nil || info.Type != want {
				t.Errorf("as a partition: %+v, %v; want %s", info, err, want)
			}
		})
	}
}

// Md knows members by a superblock at the end, too: 0.90 and 1.0.
func TestMDInFront(t *testing.T) {
	for _, version := range []string{"0.90", "1.0"} {
		image := mdImage(t, version)
		ext := make([]byte, 8<<20)
		readAll(t, testimg.FS(t, "ext4", testimg.Options{}), ext)
		write(t, image, 0, string(ext))
		info := probeFile(t, image)
		if info.Type != "linux_raid_member" || len(info.Others) != 1 || info.DataEnd == 0 {
			t.Errorf("%s: %+v", version, info)
		}
	}
}

// Metadata whose checksum is wrong, and words that only begin like them, are none.
func TestNoMember(t *testing.T) {
	const size = 4 << 20
	for name, m := range map[string]struct {
		off  int64
		data string
	}{
		"jmicron, a text":        {size - 512, "JM is not a controller"},
		"nvidia, no checksum":    {size - 1024, "NVIDIA  \x1e\x00\x00\x00"},
		"silicon, no checksum":   {size - 512 + 0x60, "\x00\x00\x00\x2f"},
		"via, no checksum":       {size - 512, "\x55\xaa\x01\x01"},
		"adaptec, one magic":     {size - 512, "\x37\xfc\x4d\x1e"},
		"intel, a sector before": {size - 1536, "Intel Raid ISM Cfg Sig. 1.3.00"},
		"promise, no MBR":        {size - 399*512, "Promise Technology, Inc."},
		"md, larger than it can": {size - 64<<10, "\xfc\x4e\x2b\xa9\x00\x00\x00\x00\x5a\x00\x00\x00\x03\x00\x00\x00" + string(make([]byte, 16)) + "\xff\xff\xff\x7f"},
		"ddf, without a header":  {size - 512, "\xde\x11\xde\x11" + string(make([]byte, 92)) + "\x00\x00\x00\x00\x00\x00\x10\x00"},
	} {
		image := blank(size)(t)
		write(t, image, m.off, m.data)
		if info := probeFile(t, image); info.Type != "" {
			t.Errorf("%s: %+v", name, info)
		}
	}
}
