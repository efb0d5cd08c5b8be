package testvol

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Every fixture unpacks, holds what its record says, and no line of a table was left with a
// number for a device.
func TestFixtures(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(readme), "| `"+name+"` |") {
				t.Error("README.md does not list it")
			}
			for _, disk := range Unpack(t, name) {
				st, err := os.Stat(disk)
				if err != nil || st.Size() == 0 {
					t.Fatal(disk, err)
				}
				if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > st.Size() {
					t.Errorf("%s: %d bytes are in use of %d", disk, used, st.Size())
				}
			}
			for _, c := range Contents(t, name) {
				if !strings.HasPrefix(c.Hello, name+" ") || c.Size == 0 || len(c.SHA256) != 64 {
					t.Errorf("content %+v", c)
				}
			}
		})
	}
}

func TestTables(t *testing.T) {
	for _, name := range Names() {
		if _, err := testdata.Open("testdata/" + name + "/table.txt"); err != nil {
			continue // only MD, btrfs
		}
		table := Table(t, name)
		if len(table) == 0 {
			t.Errorf("%s: no table", name)
		}
		for device, lines := range table {
			for line := range strings.Lines(lines) {
				for _, word := range strings.Fields(line) {
					if number.MatchString(word) {
						t.Errorf("%s: %s: %s", name, device, word)
					}
					known, ok := strings.CutPrefix(word, "<")
					known = strings.TrimSuffix(known, ">")
					if ok && !strings.HasPrefix(known, "sd") && !strings.HasPrefix(known, "md") && table[known] == "" {
						t.Errorf("%s: %s: %s is not in the table", name, device, word)
					}
				}
			}
		}
	}
}

// number matches that of a device, by itself or as meta_device:253:8.
var number = regexp.MustCompile(`(^|[a-z]:)[0-9]+:[0-9]+$`)

func TestParseTable(t *testing.T) {
	got := ParseTable("vg-a: 0 8 linear <sda> 0\nvg-a: 8 8 error\nvg-b--c: 0 1 zero\nNo devices found\n")
	want := map[string]string{"vg-a": "0 8 linear <sda> 0\n8 8 error", "vg-b--c": "0 1 zero"}
	if len(got) != len(want) || got["vg-a"] != want["vg-a"] || got["vg-b--c"] != want["vg-b--c"] {
		t.Errorf("%q", got)
	}
}

func TestRows(t *testing.T) {
	var names []string
	for _, lv := range Rows(t, "lvm-linear", "lvs.json") {
		names = append(names, lv["vg_name"]+"/"+lv["lv_name"])
	}
	slices.Sort(names)
	if want := []string{"vg0/root", "vg0/span", "vg0/striped", "vg0/swap"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// A copy is for its test alone.
func TestWritable(t *testing.T) {
	shared, own := Unpack(t, "lvm-linear"), Writable(t, "lvm-linear")
	if len(own) != len(shared) || len(own) != 2 {
		t.Fatal(own)
	}
	if err := os.WriteFile(own[0], []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(shared[0]); err != nil || st.Size() != 48<<20 {
		t.Error(st.Size(), err)
	}
}
