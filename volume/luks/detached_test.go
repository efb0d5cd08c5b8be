package luks

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// TestDetached: a header on another device opens the data, if a key says where it is.
func TestDetached(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"luks1", []string{"--type=luks1"}, " 0 8:0 0 "},
		{"luks2", []string{"--type=luks2", "--offset=0"}, " 0 8:0 0 "},
		{"offset", []string{"--type=luks2", "--offset=32768"}, " 0 8:0 32768 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data")
			data := format(t, 20<<20, append(append(c.args, "--header="+path), quick...)...)
			m, header := member(t, data), member(t, path)
			header.Name = "/dev/sdb"
			h, err := ReadHeader(header.R, header.Size)
			if err != nil {
				t.Fatal(err)
			}
			header.Info = &probe.Info{Type: "crypto_LUKS", UUID: h.UUID}
			open := func(key volume.Key) []*volume.Volume {
				m.Problems = nil
				return Detached.Open(t.Context(), []*volume.Member{m, header}, &volume.Env{Keys: ring{key}, Decrypt: decrypt})
			}
			with := func(secret, header string) volume.Key {
				return volume.Key{Kind: volume.Passphrase, Secret: []byte(secret), Params: map[string]string{"header": header}}
			}
			for _, name := range []string{"/dev/sdb", "UUID=" + h.UUID} {
				list := open(with("secret", name))
				if len(list) != 1 || !list[0].Usable() || !strings.Contains(line(list[0], 0)+" ", c.want) {
					t.Fatalf("%s: %d volumes, %q", name, len(list), m.Problems)
				}
				if !bytes.Equal(list[0].Table[0].Key, dumpKey(t, path, "secret")) {
					t.Error("another key than cryptsetup has")
				}
			}
			if list := open(with("wrong", "/dev/sdb")); len(list) != 1 || list[0].Locked == nil || list[0].Locked.Tried != 1 {
				t.Errorf("a wrong key: %+v", list)
			}
			if list := open(with("secret", "/dev/sdc")); list != nil || len(m.Problems) != 1 {
				t.Errorf("no header: %+v, %q", list, m.Problems)
			}
			if list := open(passphrase("secret")); list != nil || m.Problems != nil {
				t.Errorf("a key for something else: %+v, %q", list, m.Problems)
			}
			// The header alone has nothing to open.
			if c.name != "offset" {
				if list := openWith(t, header, passphrase("secret")); len(list) != 1 || list[0].Usable() || len(list[0].Problems) != 1 {
					t.Errorf("the header alone: %+v", list)
				}
			}
		})
	}
}
