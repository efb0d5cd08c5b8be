package verity

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// made is what veritysetup made.
type made struct {
	data, hash *volume.Member
	root, salt string
	uuid       string
	blocks     int64
}

// format has veritysetup(8) make the hashes of random data.
func format(t testing.TB, size int, args ...string) made {
	t.Helper()
	tool, err := exec.LookPath("veritysetup")
	if err != nil {
		t.Skip("no veritysetup")
	}
	dir := t.TempDir()
	content := make([]byte, size)
	rnd := rand.NewChaCha8([32]byte{byte(size)})
	rnd.Read(content)
	if err := os.WriteFile(filepath.Join(dir, "data"), content, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, append([]string{"format", filepath.Join(dir, "data"), filepath.Join(dir, "hash")}, args...)...).CombinedOutput()
	if err != nil {
		t.Skipf("veritysetup %q: %s", args, out)
	}
	field := func(name string) string {
		if m := regexp.MustCompile(`(?m)^` + name + `:\s*(\S+)`).FindSubmatch(out); m != nil {
			return string(m[1])
		}
		t.Fatalf("no %s in %s", name, out)
		return ""
	}
	hash, err := os.ReadFile(filepath.Join(dir, "hash"))
	if err != nil {
		t.Fatal(err)
	}
	m := made{
		data: &volume.Member{R: bytes.NewReader(content), Size: int64(size), SectorSize: 512, Name: "/dev/sda1", Info: &probe.Info{Type: "squashfs"}},
		hash: &volume.Member{R: bytes.NewReader(hash), Size: int64(len(hash)), SectorSize: 512, Name: "/dev/sda2", Info: &probe.Info{Type: member}},
		root: field("Root hash"), salt: field("Salt"), uuid: field("UUID"),
	}
	fmt.Sscan(field("Data blocks"), &m.blocks)
	return m
}

// keys is a ring with the keys that it lists.
type keys []volume.Key

func (k keys) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		for _, key := range k {
			if !yield(volume.Key{Kind: key.Kind, Secret: bytes.Clone(key.Secret)}, nil) {
				return
			}
		}
	}
}

func rootKey(s string) volume.Key {
	b, _ := hex.DecodeString(s)
	return volume.Key{Kind: volume.RootHash, Secret: b}
}

func baseName(b volume.Base) string { return b.(*volume.Member).Name }

// TestVeritysetup compares with what veritysetup(8) says of all kinds of trees.
func TestVeritysetup(t *testing.T) {
	for _, test := range []struct {
		size  int
		args  []string
		table string // %[1]d blocks, %[2]s root, %[3]s salt
	}{
		{1 << 20, nil, "verity 1 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha256 %[2]s %[3]s"},
		{2 * 4096, nil, "verity 1 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha256 %[2]s %[3]s"},
		{129 * 4096, nil, "verity 1 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha256 %[2]s %[3]s"},
		{1 << 20, []string{"--hash", "sha1", "--salt", "-"}, "verity 1 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha1 %[2]s %[3]s"},
		{3 << 20, []string{"--hash", "sha512", "--data-block-size", "512", "--hash-block-size", "1024"},
			"verity 1 /dev/sda1 /dev/sda2 512 1024 %[1]d 1 sha512 %[2]s %[3]s"},
		{1 << 20, []string{"--format", "0"}, "verity 0 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha256 %[2]s %[3]s"},
		{1 << 20, []string{"--format", "0", "--hash", "sha1", "--hash-block-size", "512"}, "verity 0 /dev/sda1 /dev/sda2 4096 512 %[1]d 1 sha1 %[2]s %[3]s"},
		{1 << 20, []string{"--data-blocks", "100"}, "verity 1 /dev/sda1 /dev/sda2 4096 4096 %[1]d 1 sha256 %[2]s %[3]s"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			m := format(t, test.size, test.args...)
			other := *m.data // of the same size, with other data
			other.R, other.Name = bytes.NewReader(make([]byte, test.size)), "/dev/sdb"
			env := &volume.Env{Keys: keys{rootKey(m.root)}}
			list := open(context.Background(), []*volume.Member{&other, m.hash, m.data}, env)
			if len(list) != 1 || len(list[0].Table) != 1 || len(list[0].Problems) > 0 || list[0].Locked != nil {
				t.Fatalf("%+v", list[0])
			}
			v := list[0]
			want := fmt.Sprintf("0 %d ", v.Size/512) + fmt.Sprintf(test.table, m.blocks, m.root, m.salt)
			if got := v.Table[0].Line(baseName); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			if v.Size != m.blocks*v.Info.(*Superblock).DataBlockSize || !v.ReadOnly || v.Kind != "crypt" ||
				v.UUID != "CRYPT-VERITY-"+strings.ReplaceAll(m.uuid, "-", "")+"-"+v.Name {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestKeys holds which root hashes fit, and what is said where none does.
func TestKeys(t *testing.T) {
	m := format(t, 1<<20)
	members := []*volume.Member{m.data, m.hash}
	wrong := "00" + m.root[2:]
	for _, test := range []struct {
		keys  keys
		opens bool
		tried int
	}{
		{nil, false, 0},
		{keys{rootKey(wrong)}, false, 1},
		{keys{rootKey(m.root[:32])}, false, 1},
		{keys{{Kind: volume.VolumeKey, Secret: rootKey(m.root).Secret}}, false, 1},
		{keys{{Kind: volume.Passphrase, Secret: []byte("x")}, rootKey(m.root)}, true, 0},
		{keys{{Kind: volume.Passphrase, Secret: []byte(strings.ToUpper(m.root) + "\n")}}, true, 0},
	} {
		v := open(context.Background(), members, &volume.Env{Keys: test.keys})[0]
		if (v.Table != nil) != test.opens || (v.Locked == nil) != test.opens {
			t.Errorf("%q: %+v", test.keys, v)
		}
		if v.Locked != nil && (v.Locked.Tried != test.tried || v.Locked.Slots[0].Kind != volume.RootHash) {
			t.Errorf("%q: %+v", test.keys, v.Locked)
		}
	}
	if v := open(context.Background(), members, nil)[0]; v.Locked == nil || len(v.On()) != 2 {
		t.Errorf("%+v", v)
	}
	if v := open(context.Background(), members[1:], nil)[0]; len(v.Problems) != 1 || v.Locked != nil || v.Table != nil {
		t.Errorf("without the data: %+v", v)
	}
}

// halves returns the UUIDs that partitions have by the Discoverable Partitions Specification.
func halves(root string) (data, hash string) {
	uuid := func(s string) string {
		return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	}
	return uuid(root[:32]), uuid(root[32:])
}

// TestDiscoverable holds that the UUIDs of two partitions say the root hash.
func TestDiscoverable(t *testing.T) {
	m := format(t, 1<<20)
	m.data.PartUUID, m.hash.PartUUID = halves(m.root)
	m.data.PartName = "data of a system"
	twin := *m.data
	twin.PartUUID = "00000000-0000-4000-8000-000000000000"
	members := []*volume.Member{&twin, m.data, m.hash}
	for typ, name := range map[string]string{
		"2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "root", "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e": "usr", "": `data\x20of\x20a\x20system`,
	} {
		m.hash.PartType = typ
		v := open(context.Background(), members, nil)[0]
		if v.Table == nil || v.Table[0].Devices[0] != volume.Base(m.data) || v.Name != name || v.Nodes[0] != "/dev/mapper/"+name {
			t.Errorf("%s: %+v", typ, v)
		}
	}
	print := strings.Repeat("ab", 32)
	text := fmt.Sprintf("{\"rootHash\": %q, \"certificateFingerprint\": %q, \"signature\": \"AA==\"}\x00\x00", m.root, print)
	signed := &volume.Member{R: strings.NewReader(text), Size: int64(len(text)), Name: "/dev/sda3", PartType: "41092b05-9fc8-4523-994f-2def0408b176"}
	for text, want := range map[string]*Signature{
		text:                                   {Device: "/dev/sda3", Fingerprint: print},
		text[:40]:                              nil,
		strings.Replace(text, m.root, "00", 1): nil,
	} {
		signed.R, signed.Size = strings.NewReader(text), int64(len(text))
		v := open(context.Background(), append(members, signed), nil)[0]
		if got := v.Info.(*Superblock).Signature; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	m.hash.PartUUID = "0" + m.hash.PartUUID[1:]
	if v := open(context.Background(), members, nil)[0]; v.Table != nil || v.Locked == nil {
		t.Errorf("with another UUID: %+v", v)
	}
}

// TestDamaged holds that a changed tree, and data that were changed at their ends, do not open.
func TestDamaged(t *testing.T) {
	for _, test := range []struct {
		name       string
		of         func(m *made) *volume.Member
		at         int64
		truncateTo int64
	}{
		{"the root", func(m *made) *volume.Member { return m.hash }, 4096, 0},
		{"the first block", func(m *made) *volume.Member { return m.data }, 0, 0},
		{"the last block", func(m *made) *volume.Member { return m.data }, 1<<20 - 1, 0},
		{"the salt", func(m *made) *volume.Member { return m.hash }, 90, 0},
		{"the end of the tree", func(m *made) *volume.Member { return m.hash }, 0, 8192},
		{"the superblock", func(m *made) *volume.Member { return m.hash }, 13, 0},
		{"the block size", func(m *made) *volume.Member { return m.hash }, 64, 0},
		{"the number of blocks", func(m *made) *volume.Member { return m.hash }, 79, 0},
		{"the hash's name", func(m *made) *volume.Member { return m.hash }, 33, 0},
	} {
		m := format(t, 1<<20)
		d := test.of(&m)
		b := make([]byte, d.Size)
		d.R.ReadAt(b, 0)
		if test.truncateTo > 0 {
			b = b[:test.truncateTo]
		} else {
			b[test.at] ^= 0x81
		}
		d.R, d.Size = bytes.NewReader(b), int64(len(b))
		list := open(context.Background(), []*volume.Member{m.data, m.hash}, &volume.Env{Keys: keys{rootKey(m.root)}})
		if len(list) == 0 && len(m.hash.Problems) == 1 {
			continue
		}
		if v := list[0]; v.Table != nil || v.Locked == nil && len(v.Problems) == 0 {
			t.Errorf("%s: %+v", test.name, v)
		}
	}
	if _, err := Read(bytes.NewReader(nil), 0); err == nil || errors.Unwrap(err) == nil {
		t.Error(err)
	}
}

// TestTypes holds that the specification's types are all there, each once.
func TestTypes(t *testing.T) {
	roles := map[string]int{}
	for typ, role := range names {
		roles[role]++
		if len(typ) != 36 || signatures[typ] {
			t.Error(typ)
		}
	}
	if roles["root"] != 21 || roles["usr"] != 21 || len(signatures) != 42 {
		t.Errorf("%v, and %d signatures", roles, len(signatures))
	}
}

// FuzzTree reads a hash device that is the input.
func FuzzTree(f *testing.F) {
	data := make([]byte, 64<<10)
	for _, args := range [][]string{nil, {"--format", "0", "--hash", "sha1"}} {
		m := format(f, len(data), args...)
		b := make([]byte, m.hash.Size)
		m.hash.R.ReadAt(b, 0)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		hash := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "hash", Info: &probe.Info{Type: member}}
		m := &volume.Member{R: bytes.NewReader(data), Size: int64(len(data)), Name: "data"}
		for _, v := range open(context.Background(), []*volume.Member{m, hash}, nil) {
			if v.Table == nil && v.Locked == nil && len(v.Problems) == 0 || v.Size < 0 {
				t.Errorf("%+v", v)
			}
		}
	})
}
