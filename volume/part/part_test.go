package part

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// disks are made by sfdisk and must be read as sfdisk reads them.
var disks = []struct {
	name   string
	size   int64
	sector int
	script string
}{
	{"gpt", 64 << 20, 512, `label: gpt
start=2048, size=8192, name="a b ü日本", type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, attrs="RequiredPartition,LegacyBIOSBootable,GUID:60"
7: size=1M, type=11111111-2222-3333-4444-555555555555
`},
	{"gpt, not in order", 64 << 20, 512, "label: gpt\n3: start=4096, size=2048\n1: start=40960, size=2048\n128: start=20480, size=2048\n"},
	{"gpt, empty", 64 << 20, 512, "label: gpt\n"},
	{"gpt, long table", 64 << 20, 512, "label: gpt\ntable-length: 512\n300: start=4096, size=2048\n"},
	{"gpt, short table", 64 << 20, 512, "label: gpt\ntable-length: 4\nsize=1M\n"},
	{"gpt, 4096", 64 << 20, 4096, "label: gpt\nstart=256, size=1024, name=first\nsize=1024\n"},
	{"gpt, huge", 10 << 40, 512, "label: gpt\nsize=9T\nsize=1G\n"},
	{"dos", 64 << 20, 512, "label: dos\nsize=8192, bootable\nsize=1M, type=c\nsize=1M, type=82\nsize=2M, type=8e\n"},
	{"dos, logical", 64 << 20, 512, "label: dos\nsize=8192, bootable\nsize=40M, type=5\n5: size=2M, type=82\n6: size=3M\n7: size=1M, type=7\n"},
	{"dos, extended first", 64 << 20, 512, "label: dos\n2: start=2048, size=40M, type=f\n1: size=2M\n5: start=10240, size=2M, type=82\n6: start=30720, size=3M\n"},
	{"dos, many logical", 128 << 20, 512, "label: dos\n4: size=120M, type=5\n" + strings.Repeat("size=1M\n", 50)},
	{"dos, empty", 64 << 20, 512, "label: dos\n"},
	{"dos, no ID", 64 << 20, 512, "label: dos\nlabel-id: 0x00000000\nsize=1M\n"},
	{"dos, 4096", 64 << 20, 4096, "label: dos\nsize=20M, bootable\nsize=20M, type=5\n5: size=4M\n"},
	{"dos, 2 TiB", 2<<40 - 1<<20, 512, "label: dos\nsize=1T\nsize=1023G\n"},
}

func TestSfdisk(t *testing.T) {
	for _, c := range disks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // sfdisk waits for the disk
			image := blank(t, c.size)
			device := image
			if c.sector != 512 {
				// Older sfdisks take the sector size from the device only.
				testimg.NeedRoot(t)
				device = strings.TrimSpace(testimg.MustRun(t, "losetup", "-f", "--show", "-b", fmt.Sprint(c.sector), image))
				t.Cleanup(func() { testimg.MustRun(t, "losetup", "-d", device) })
			}
			sfdisk(t, device, c.script)
			want := sfdiskJSON(t, device, c.sector)
			if device != image {
				testimg.MustRun(t, "sync", device)
			}

			got := read(t, image, c.sector)
			compare(t, got, want)
			if len(got.Problems) != 0 {
				t.Errorf("problems: %q", got.Problems)
			}
			if got.SectorSize != c.sector {
				t.Errorf("sectors of %d bytes", got.SectorSize)
			}
		})
	}
}

func compare(t *testing.T, got, want *Table) {
	t.Helper()
	if got.Type != want.Type || got.ID != want.ID || len(got.Partitions) != len(want.Partitions) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
	for i, p := range got.Partitions {
		p.TypeName, p.Extended = "", false
		if p != want.Partitions[i] {
			t.Errorf("got  %+v\nwant %+v", p, want.Partitions[i])
		}
	}
}

// sfdiskJSON returns a table as sfdisk reads it, in this package's terms.
func sfdiskJSON(t *testing.T, device string, sector int) *Table {
	t.Helper()
	var out struct {
		PartitionTable struct {
			Label, ID  string
			Partitions []struct {
				Node, Type, UUID, Name, Attrs string
				Start, Size                   int64
				Bootable                      bool
			}
		}
	}
	if err := json.Unmarshal([]byte(testimg.MustRun(t, "sfdisk", "--json", device)), &out); err != nil {
		t.Fatal(err)
	}
	pt := out.PartitionTable
	table := &Table{Type: pt.Label, ID: strings.TrimPrefix(strings.ToLower(pt.ID), "0x")}
	for _, p := range pt.Partitions {
		q := Partition{
			Start:    p.Start * int64(sector),
			Size:     p.Size * int64(sector),
			Type:     strings.ToLower(p.Type),
			UUID:     strings.ToLower(p.UUID),
			Name:     p.Name,
			Bootable: p.Bootable,
		}
		digits := p.Node[len(strings.TrimRight(p.Node, "0123456789")):]
		if _, err := fmt.Sscan(digits, &q.Number); err != nil {
			t.Fatal(err)
		}
		if table.Type == "dos" {
			q.Type = "0x" + strings.Repeat("0", 2-len(q.Type)) + q.Type
			if table.ID != "00000000" {
				q.UUID = fmt.Sprintf("%s-%02x", table.ID, q.Number)
			}
		}
		for a := range strings.FieldsSeq(p.Attrs) {
			switch {
			case a == "RequiredPartition":
				q.Attributes |= 1
			case a == "NoBlockIOProtocol":
				q.Attributes |= 2
			case a == "LegacyBIOSBootable":
				q.Attributes |= 4
				q.Bootable = true
			default:
				for digits := range strings.SplitSeq(strings.TrimPrefix(a, "GUID:"), ",") {
					var bit int
					if _, err := fmt.Sscan(digits, &bit); err != nil {
						t.Fatal(a, err)
					}
					q.Attributes |= 1 << bit
				}
			}
		}
		table.Partitions = append(table.Partitions, q)
	}
	return table
}

// PARTUUIDs, types and names are those of blkid.
func TestBlkid(t *testing.T) {
	for _, script := range []string{disks[0].script, disks[8].script} {
		image := blank(t, 64<<20)
		sfdisk(t, image, script)
		table := read(t, image, 512)
		out := testimg.MustRun(t, "blkid", "-p", "-o", "export", image)
		if want := "PTUUID=" + table.ID + "\nPTTYPE=" + table.Type + "\n"; !strings.Contains(out, want) {
			t.Errorf("%q not in %q", want, out)
		}
	}
}

// Sgdisk agrees about a table that sgdisk made.
func TestSgdisk(t *testing.T) {
	image := blank(t, 64<<20)
	testimg.MustRun(t, "sgdisk", "-o", "-n", "1:0:+8M", "-t", "1:8e00", "-c", "1:physical volume", "-n", "4:0:0", "-A", "4:set:63",
		"-u", "4:12345678-1234-1234-1234-123456789ABC", image)
	table := read(t, image, 0)
	if len(table.Problems) != 0 || len(table.Partitions) != 2 {
		t.Fatalf("%+v", table)
	}
	p, q := table.Partitions[0], table.Partitions[1]
	if p.Number != 1 || p.Name != "physical volume" || p.TypeName != "Linux LVM" || p.Size != 8<<20 || p.Start != 1<<20 {
		t.Errorf("%+v", p)
	}
	if q.Number != 4 || q.UUID != "12345678-1234-1234-1234-123456789abc" || q.Attributes != 1<<63 || q.Bootable {
		t.Errorf("%+v", q)
	}
}

// Type names are those of the types that sfdisk means, where it knows them.
func TestTypeNames(t *testing.T) {
	known := strings.ToLower(testimg.MustRun(t, "sfdisk", "--list-types", "--label", "gpt"))
	newer := map[string]bool{"Linux LUKS": true, "MBR partition scheme": true}
	for id, name := range guidNames {
		at := strings.Index(known, id)
		if at < 0 {
			if !newer[name] && !strings.HasPrefix(name, "CoreOS") && !strings.HasPrefix(name, "Solaris") {
				t.Errorf("sfdisk does not know %s, %q", id, name)
			}
			continue
		}
		line, _, _ := strings.Cut(known[at:], "\n")
		// The last word tells most: (x86-64), LVM, swap.
		if first, _, _ := strings.Cut(strings.ToLower(name), " "); !strings.Contains(line, first) {
			t.Logf("%q is %q to sfdisk", name, line)
		}
	}
	known = testimg.MustRun(t, "sfdisk", "--list-types", "--label", "dos")
	for b := range byteNames {
		if b != 0 && b != 0xe8 && !strings.Contains(known, fmt.Sprintf("\n%2x  ", b)) {
			t.Errorf("sfdisk does not know %#x", b)
		}
	}
}

// What has no table is told from what has.
func TestNoTable(t *testing.T) {
	for _, name := range []string{"ext4", "fat12", "fat16", "fat32", "ntfs", "exfat", "xfs", "btrfs", "swap", "squashfs"} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(testimg.FS(t, name, testimg.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if table, err := Read(f, st.Size(), 512); !errors.Is(err, ErrNoTable) {
				t.Errorf("%+v, %v", table, err)
			}
		})
	}
	for _, size := range []int64{-1, 0, 1, 511, 512, 1 << 20} {
		if table, err := Read(bytes.NewReader(make([]byte, 1<<20)), size, 0); !errors.Is(err, ErrNoTable) {
			t.Errorf("size %d: %+v, %v", size, table, err)
		}
	}
	if _, err := Read(bytes.NewReader(nil), 0, 1024); err == nil || errors.Is(err, ErrNoTable) {
		t.Errorf("sectors of 1024 bytes: %v", err)
	}
}

func blank(t *testing.T, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Skip(err) // too large for the host's file system
	}
	return image
}

func sfdisk(t *testing.T, device, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.Need(t, "sfdisk")
	testimg.MustRun(t, "sh", "-c", fmt.Sprintf("PATH=$PATH:/usr/sbin:/sbin sfdisk -q %s <%s", device, file))
}

func read(t *testing.T, image string, sector int) *Table {
	t.Helper()
	f, size := sized(t, image)
	table, err := Read(f, size, sector)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
