package matrix

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

const (
	tableFile = "../../kernel/FILESYSTEMS.md"
	defconfig = "../../kernel/arch/lkl/configs/lkl_defconfig"
)

// A row is one of the tables in FILESYSTEMS.md.
type row struct{ name, reads, writes, tests string }

// tables returns the rows by the headings they stand under.
func tables(t *testing.T) map[string][]row {
	t.Helper()
	data, err := os.ReadFile(tableFile)
	rig.Check(t, "read", err)
	all := map[string][]row{}
	heading := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "## "); ok {
			heading = after
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "| `") || len(cells) < 4 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all[heading] = append(all[heading], row{strings.Trim(cells[0], "`"), cells[1], cells[2], cells[3]})
	}
	return all
}

// TestTable: the table of file systems has a row for each that the kernel has,
// and for no other; what it says is tested, is.
func TestTable(t *testing.T) {
	k := rig.Boot(t, nil)
	data, err := k.ReadFile("/proc/filesystems", 1<<16)
	rig.Check(t, "/proc/filesystems", err)
	want := map[string]bool{"overlay": true}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 1 {
			want[f[0]] = true
		}
	}
	written, read := map[string][]string{}, map[string][]string{}
	for _, w := range writables {
		d := rig.Driver(w.fstype)
		written[d] = append(written[d], w.name)
	}
	for _, r := range readables {
		d := rig.Driver(r.fstype)
		read[d] = append(read[d], r.name)
	}
	rows := tables(t)["File systems"]
	for _, r := range rows {
		if !want[r.name] {
			t.Errorf("%s: has a row, but is not in the kernel", r.name)
		}
		delete(want, r.name)
		tested := map[string]bool{}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(r.tests, -1) {
			tested[m[1]] = true
		}
		for name, has := range map[string]bool{
			"TestWrites": written[r.name] != nil, "TestReads": read[r.name] != nil,
		} {
			if has != tested[name] {
				t.Errorf("%s: %s is in the table: %v; it is tested: %v", r.name, name, tested[name], has)
			}
		}
		if len(tested) == 0 && r.tests != "not tested here" {
			t.Errorf("%s: neither a test, nor that there is none: %q", r.name, r.tests)
		}
		if untested := len(tested) == 0; untested != (r.reads == "untested") || untested && r.writes == "yes" {
			t.Errorf("%s: reads %q, writes %q, tests %q", r.name, r.reads, r.writes, r.tests)
		}
		if r.writes != "yes" && r.writes != "no" && r.writes != "in part" && r.writes != "untested" {
			t.Errorf("%s: reads %q, writes %q", r.name, r.reads, r.writes)
		}
		if r.writes == "yes" && !tested["TestWrites"] {
			t.Errorf("%s: said to be written, and not tested", r.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Errorf("%s: in the kernel, but has no row", name)
	}
}

// TestPartitionTable: the same for partition tables, by the configuration.
func TestPartitionTable(t *testing.T) {
	config, err := os.ReadFile(defconfig)
	rig.Check(t, "read", err)
	want := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^CONFIG_(\w+(?:PARTITION|DISKLABEL|SUBPARTITION))=y$`).FindAllStringSubmatch(string(config), -1) {
		want[m[1]] = true
	}
	tested := map[string]bool{}
	for _, p := range partitioned {
		tested[p.config] = true
	}
	for _, r := range tables(t)["Partition tables"] {
		if !want[r.name] {
			t.Errorf("%s: has a row, but is not configured", r.name)
		}
		delete(want, r.name)
		if has := strings.Contains(r.tests, "TestPartitions"); has != tested[r.name] {
			t.Errorf("%s: in the table %q; it is tested: %v", r.name, r.tests, tested[r.name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Errorf("%s: configured, but has no row", name)
	}
}

// partitioned are the tables that the host's tools can make.
var partitioned = []struct {
	name, config string
	command      []string // IMAGE stands for the file; what follows "<" is the input
}{
	{"dos", "MSDOS_PARTITION", parted("msdos",
		"mkpart primary 2048s 20479s", "mkpart primary 20480s 40959s", "mkpart extended 40960s 120000s",
		"mkpart logical 43008s 60000s", "mkpart logical 63008s 80000s", "mkpart logical 83968s 100000s")},
	{"gpt", "EFI_PARTITION", parted("gpt",
		"mkpart one 2048s 20479s", "mkpart two 20480s 40959s", "mkpart three 50000s 120000s")},
	{"mac", "MAC_PARTITION", parted("mac", "mkpart primary 2048s 20479s", "mkpart primary 20480s 40959s")},
	{"amiga", "AMIGA_PARTITION", parted("amiga", "mkpart primary 2048s 20479s", "mkpart primary 20480s 40959s")},
	{"bsd", "BSD_DISKLABEL", parted("bsd", "mkpart ext2 2048s 20479s", "mkpart ext2 20480s 40959s")},
	{"sun", "SUN_PARTITION", parted("sun", "mkpart ext2 0c 2c", "mkpart ext2 2c 5c")},
	{"sgi", "SGI_PARTITION", []string{"sfdisk", "-q", "-X", "sgi", "IMAGE", "<", "4096,16384\n20480,16384\n"}},
}

func parted(label string, commands ...string) []string {
	argv := []string{"parted", "-s", "-a", "none", "IMAGE", "mklabel", label}
	for _, c := range commands {
		argv = append(argv, strings.Fields(c)...)
	}
	return argv
}

// TestPartitions compares the partitions that the kernel finds with those that
// the tools say there are.
func TestPartitions(t *testing.T) {
	for _, p := range partitioned {
		t.Run(p.name, func(t *testing.T) {
			testimg.Need(t, "parted", "sfdisk")
			image := t.TempDir() + "/image"
			rig.Check(t, "make", os.WriteFile(image, nil, 0o644))
			rig.Check(t, "truncate", os.Truncate(image, 96<<20))
			argv := slices.Clone(p.command)
			argv[slices.Index(argv, "IMAGE")] = image
			if i := slices.Index(argv, "<"); i >= 0 {
				script := t.TempDir() + "/script"
				rig.Check(t, "write", os.WriteFile(script, []byte(argv[i+1]), 0o644))
				argv = []string{"sh", "-c", strings.Join(argv[:i], " ") + " < " + script}
			}
			testimg.MustRun(t, argv[0], argv[1:]...)
			k := rig.Boot(t, nil)
			disk := rig.Attach(t, k, image)
			got := kernelPartitions(t, k, disk)
			want := partedPartitions(t, image)
			if p.name == "sgi" {
				delete(want, 9) // the volume header
			}
			// The kernel may count what parted calls free space (mac).
			for n, place := range want {
				if got[n] != place {
					t.Errorf("partition %d: the kernel found %v, parted %v", n, got, want)
				}
			}
			if len(want) < 2 {
				t.Errorf("parted found %v", want)
			}
			t.Logf("%v", got)
		})
	}
}

// kernelPartitions returns starts and sizes in sectors by their numbers.
func kernelPartitions(t *testing.T, k *lkl.Kernel, disk string) map[int][2]int64 {
	t.Helper()
	fd, err := k.Open("/sys/block/"+disk, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	rig.Check(t, "open", err)
	defer k.CloseFd(fd)
	found := map[int][2]int64{}
	for d, err := range k.ReadDir(fd, 0, 0) {
		rig.Check(t, "readdir", err)
		var n int
		if _, err := fmt.Sscanf(d.Name, disk+"%d", &n); err != nil {
			continue
		}
		number := func(name string) (x int64) {
			data, err := k.ReadFile("/sys/block/"+disk+"/"+d.Name+"/"+name, 100)
			rig.Check(t, "read", err)
			fmt.Sscan(string(data), &x)
			return x
		}
		found[n] = [2]int64{number("start"), number("size")}
		if found[n][1] <= 2 { // the frame of the logical ones
			delete(found, n)
		}
	}
	return found
}

func partedPartitions(t *testing.T, image string) map[int][2]int64 {
	t.Helper()
	found := map[int][2]int64{}
	out := testimg.MustRun(t, "parted", "-sm", image, "unit", "s", "print")
	for line := range strings.Lines(out) {
		f := strings.Split(line, ":")
		var n int
		var start, end, size int64
		if len(f) < 4 {
			continue
		}
		if _, err := fmt.Sscanf(strings.Join(f[:4], " "), "%d %ds %ds %ds", &n, &start, &end, &size); err != nil {
			continue
		}
		found[n] = [2]int64{start, size}
	}
	// parted shows the frame of logical partitions in its full size.
	if f, ok := found[3]; ok && len(found) > 4 && f[1] > 60000 {
		delete(found, 3)
	}
	return found
}
