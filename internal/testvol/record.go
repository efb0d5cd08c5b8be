package testvol

import (
	"encoding/json"
	"path"
	"strconv"
	"strings"
	"testing"
)

// Record returns a file of a fixture's record. The test fails if there is none.
func Record(t testing.TB, name, file string) string {
	t.Helper()
	data, err := testdata.ReadFile(path.Join("testdata", name, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Table returns what `dmsetup table --showkeys` prints when all of a fixture is active: the
// lines of each device by its name, with <sda2> for a disk's partition, <vg0-root> for
// another device and <md/name> for an array where the tool prints a number.
func Table(t testing.TB, name string) map[string]string {
	t.Helper()
	return ParseTable(Record(t, name, "table.txt"))
}

// ParseTable is [Table] for the other recorded tables, such as table-degraded.txt.
func ParseTable(text string) map[string]string {
	table := map[string]string{}
	for line := range strings.Lines(text) {
		device, target, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if table[device] != "" {
			target = table[device] + "\n" + target
		}
		table[device] = target
	}
	return table
}

// A Content is a file system of a fixture.
type Content struct {
	Node   string // how its users know the device, "/dev/vg0/root"; more in README.md
	FS     string // "ext4"
	Hello  string // what is in its hello.txt
	Size   int64  // of its file "data", in bytes
	SHA256 string // of the same, in hexadecimal digits
}

// Contents returns the file systems of a fixture.
func Contents(t testing.TB, name string) (list []Content) {
	t.Helper()
	for line := range strings.Lines(Record(t, name, "content.txt")) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 5 {
			t.Fatalf("%s: line %q", name, line)
		}
		size, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Content{f[0], f[1], f[2], size, f[4]})
	}
	return list
}

// Rows returns the rows of a report that LVM's tools print as JSON, such as lvs.json: the
// values by the names of their columns.
func Rows(t testing.TB, name, file string) (rows []map[string]string) {
	t.Helper()
	var report struct {
		Report []map[string][]map[string]string
	}
	if err := json.Unmarshal([]byte(Record(t, name, file)), &report); err != nil {
		t.Fatalf("%s/%s: %v", name, file, err)
	}
	for _, kinds := range report.Report {
		for _, list := range kinds {
			rows = append(rows, list...)
		}
	}
	return rows
}
