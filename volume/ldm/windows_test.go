package ldm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

const cases = "../../../shared/cases"

// windows returns the disks that Windows 2003 and 2008 made, by their short names.
func windows(t *testing.T, names ...string) []*volume.Member {
	t.Helper()
	packed, _ := filepath.Glob(cases + "/files/mdbooth.libldm-ldm-*.img.xz")
	if len(packed) == 0 {
		t.Skip("the images of libldm are not there")
	}
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("no xz")
	}
	var list []*volume.Member
	for _, name := range names {
		path := filepath.Join(t.TempDir(), name+".img")
		cmd := exec.Command("sh", "-c", `xz -dc "$0" | dd of="$1" bs=64k conv=sparse status=none`,
			cases+"/files/mdbooth.libldm-ldm-"+name+".img.xz", path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		st, _ := f.Stat()
		list = append(list, &volume.Member{R: f, Size: st.Size(), SectorSize: 512, Name: path, Disk: true,
			Info: &probe.Info{Type: "ldm_member"}})
	}
	return list
}

var sets = map[string][]string{
	"2003": {"2003r2-raid5-1", "2003r2-raid5-2", "2003r2-raid5-3", "2003r2-simple-1", "2003r2-spanned-1", "2003r2-spanned-2"},
	"2008": {"2008r2-mirrored-1", "2008r2-mirrored-2", "2008r2-raid5-1", "2008r2-raid5-2", "2008r2-raid5-3", "2008r2-striped-1", "2008r2-striped-2"},
}

// hashes returns what the volumes' bytes are to be, by the start of the disks' names.
func hashes(t *testing.T, set string) map[string]string {
	data, err := os.ReadFile(cases + "/volumes.tsv")
	if err != nil {
		t.Skip(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(line, "\t")
		if len(f) > 8 && f[0] == "ldm" && strings.Contains(f[1], "ldm-"+set) {
			for _, w := range strings.Fields(f[8]) {
				name, sum, _ := strings.Cut(w, ":")
				m[name] = sum
			}
		}
	}
	return m
}

// TestWindows reads all volumes of real disks by the planned tables.
func TestWindows(t *testing.T) {
	for set, names := range sets {
		t.Run(set, func(t *testing.T) {
			want := hashes(t, set)
			list := open(context.Background(), windows(t, names...), nil)
			read := 0
			for _, v := range list {
				if v.Hidden {
					continue
				}
				name := v.Info.(*Volume).Name
				if v.Table == nil {
					if want[name] != "" || len(v.Problems) == 0 {
						t.Errorf("%s cannot be used: %q", name, v.Problems)
					}
					continue
				}
				if len(v.Problems) > 0 || v.ReadOnly {
					t.Errorf("%s: %q", name, v.Problems)
				}
				if got := sum(t, v); got != want[name] {
					t.Errorf("%s has the hash %s, and should have %s", name, got, want[name])
				}
				read++
			}
			if read != len(want) || read == 0 {
				t.Errorf("%d of %d volumes were read", read, len(want))
			}
		})
	}
}

// TestDegraded holds that one disk of a mirror and of a RAID 5 may be missing, whichever.
func TestDegraded(t *testing.T) {
	for name, set := range map[string][]string{
		"Raid1":   {"2003r2-raid5-1", "2003r2-raid5-2", "2003r2-raid5-3"},
		"Volume4": {"2008r2-raid5-1", "2008r2-raid5-2", "2008r2-raid5-3"},
		"Volume3": {"2008r2-mirrored-1", "2008r2-mirrored-2"},
	} {
		t.Run(name, func(t *testing.T) {
			want := hashes(t, set[0][:4])[name]
			all := windows(t, set...)
			for i := range all {
				v := find(t, open(context.Background(), slices.Delete(slices.Clone(all), i, i+1), nil), name)
				if v.Table == nil || !v.ReadOnly || len(v.Problems) != 1 || !strings.Contains(v.Problems[0], "is missing") {
					t.Errorf("without %s: %+v", set[i], v)
					continue
				}
				if got := sum(t, v); got != want {
					t.Errorf("without %s the hash is %s, and should be %s", set[i], got, want)
				}
			}
			if v := find(t, open(context.Background(), all[:1], nil), name); len(all) == 3 {
				if v.Table != nil || len(v.Problems) != 3 || len(v.On()) != 1 {
					t.Errorf("with one disk of three: %+v", v)
				}
			}
		})
	}
}

// TestLdmtool compares the model with what ldmtool(1) prints.
func TestLdmtool(t *testing.T) {
	if _, err := exec.LookPath("ldmtool"); err != nil {
		t.Skip("no ldmtool")
	}
	for set, names := range sets {
		t.Run(set, func(t *testing.T) { compare(t, windows(t, names...)) })
	}
}

// compare asks ldmtool for all that it knows of disks.
func compare(t *testing.T, members []*volume.Member) {
	t.Helper()
	groups := Scan(context.Background(), members)
	if len(groups) == 0 {
		t.Fatal("no group")
	}
	scan := "scan"
	for _, m := range members {
		scan += " " + m.Name
	}
	show := func(what string) map[string]any {
		cmd := exec.Command("ldmtool")
		cmd.Stdin = strings.NewReader(scan + "\nshow " + what + "\n")
		out, _ := cmd.Output()
		var m map[string]any
		if i := strings.Index(string(out), "{"); i < 0 || json.NewDecoder(strings.NewReader(string(out)[i:])).Decode(&m) != nil {
			t.Fatalf("ldmtool show %s: %s", what, out)
		}
		return m
	}
	check := func(got, want map[string]any) {
		t.Helper()
		b, _ := json.Marshal(got) // numbers and lists as ldmtool's are read
		var norm map[string]any
		json.Unmarshal(b, &norm)
		if !reflect.DeepEqual(norm, want) {
			t.Errorf("%v\nldmtool: %v", norm, want)
		}
	}
	for _, g := range groups {
		volumes, disks := []string{}, []string{}
		for _, v := range g.Volumes {
			volumes = append(volumes, v.Name)
		}
		for _, d := range g.Disks {
			disks = append(disks, d.Name)
			want := map[string]any{"name": d.Name, "guid": d.GUID, "present": d.Member != nil}
			if d.Member != nil {
				want["device"] = d.Member.Name
				want["data-start"], want["data-size"] = d.DataStart/512, d.DataSize/512
				want["metadata-start"], want["metadata-size"] = d.MetadataStart/512, d.MetadataSize/512
			}
			check(want, show("disk "+g.GUID+" "+d.Name))
		}
		check(map[string]any{"name": g.Name, "guid": g.GUID, "volumes": volumes, "disks": disks}, show("diskgroup "+g.GUID))
		for _, v := range g.Volumes {
			var parts []string
			for _, p := range v.Partitions() {
				parts = append(parts, p.Name)
				check(map[string]any{"name": p.Name, "start": p.Start / 512, "size": p.Size / 512, "disk": p.Disk.Name},
					show("partition "+g.GUID+" "+p.Name))
			}
			want := map[string]any{"name": v.Name, "guid": v.GUID, "type": v.Type, "size": v.Size / 512,
				"chunk-size": v.Chunk / 512, "partitions": parts}
			if v.Hint != "" {
				want["hint"] = v.Hint
			}
			check(want, show("volume "+g.GUID+" "+v.Name))
		}
	}
}

func find(t *testing.T, list []*volume.Volume, name string) *volume.Volume {
	t.Helper()
	for _, v := range list {
		if i, ok := v.Info.(*Volume); ok && i.Name == name {
			return v
		}
	}
	t.Fatalf("no volume %s", name)
	return nil
}

// sum returns the hash of a volume's bytes, as its tables map them.
func sum(t *testing.T, v *volume.Volume) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(readerOf(t, v), 0, v.Size)); err != nil {
		t.Errorf("reading %s: %v", v.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
