package luks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// TestFixtures: what cryptsetup has opened in a machine of its own is planned with the same
// tables and UUIDs. Optional parameters of dm-integrity are not compared: the kernel prints
// those that it has found in the superblock.
func TestFixtures(t *testing.T) {
	n := 0
	for _, name := range testvol.Names() {
		if !strings.HasPrefix(name, "luks") {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			var members []*volume.Member
			for i, path := range testvol.Unpack(t, name) {
				m := member(t, path)
				m.Name = "/dev/sd" + string(rune('a'+i))
				members = append(members, m)
			}
			keys := ring{passphrase("second"), passphrase("secret")}
			open := Type.Open
			if len(members) > 1 {
				open = Detached.Open
				for i := range keys {
					keys[i].Params = map[string]string{"header": "/dev/sdb"}
				}
			}
			if name == "luks2-keyfile" {
				keys = append(keys, passphrase(testvol.Record(t, name, "keyfile.txt")[100:164]))
			}
			list := open(t.Context(), members, &volume.Env{Keys: keys, Decrypt: decrypt})
			if name == "luks2-reencrypt" {
				if len(list) != 1 || list[0].Usable() || len(list[0].Problems) != 1 || !strings.Contains(list[0].Problems[0], "encrypted anew") {
					t.Errorf("%+v", list)
				}
				return
			}
			if h := list[len(list)-1].Info.(*Header); h.Secondary != (name == "luks2-second") {
				t.Errorf("from the second header: %v", h.Secondary)
			}
			compareTables(t, list, testvol.Table(t, name), testvol.Record(t, name, "uuids.txt"))
		})
	}
	if n == 0 {
		t.Skip("there are no fixtures of LUKS in this tree")
	}
}

// compareTables compares volumes with what the device mapper said of those of other names.
func compareTables(t *testing.T, list []*volume.Volume, tables map[string]string, uuids string) {
	t.Helper()
	if len(list) != len(tables) {
		t.Fatalf("%d volumes of %d", len(list), len(tables))
	}
	var base string
	for name := range tables {
		if !strings.HasSuffix(name, "_dif") {
			base = name
		}
	}
	ours := strings.TrimSuffix(list[0].Name, "_dif")
	for _, v := range list {
		if !v.Usable() {
			t.Fatalf("%s: %+v, %q", v.Name, v.Locked, v.Problems)
		}
		name := strings.Replace(v.Name, ours, base, 1)
		if uuid := strings.Replace(v.UUID, ours, base, 1); !strings.Contains(uuids, name+" "+uuid+" ") {
			t.Errorf("UUID %s, not one of %s", uuid, uuids)
		}
		table := v.Table[0]
		params := table.AppendParams(nil, func(b volume.Base) string {
			if below, ok := b.(*volume.Volume); ok {
				return "<" + strings.Replace(below.Name, ours, base, 1) + ">"
			}
			return "<" + strings.TrimPrefix(b.(*volume.Member).Name, "/dev/") + ">"
		})
		got := strings.Fields(fmt.Sprint(table.Start, " ", table.Length, " ", table.Type, " ", string(params)))
		want := strings.Fields(tables[name])
		switch {
		case table.Type == "integrity":
			got, want = got[:7], want[:min(len(want), 7)]
		case len(want) > 4 && strings.HasPrefix(want[4], fmt.Sprintf(":%d:logon:", len(table.Key))):
			want[4] = got[4] // The key itself is in the kernel's keyring.
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
