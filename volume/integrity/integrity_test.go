package integrity

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// image returns a device of 4 MiB with a superblock, and with checksums of its first blocks.
func image(t testing.TB, a *algorithm, tag int, change func(sb []byte)) *volume.Member {
	t.Helper()
	b := make([]byte, 4<<20)
	copy(b, "integrt\x00")
	b[8], b[9] = 3, 10 // version 3, checksums after each 1024 sectors
	le.PutUint16(b[10:], uint16(tag))
	le.PutUint32(b[12:], 4)
	le.PutUint64(b[16:], 4096)
	le.PutUint32(b[24:], 8) // the padding of new kernels
	if change != nil {
		change(b)
	}
	if s, err := Read(bytes.NewReader(b), int64(len(b))); err == nil && a != nil {
		for i := range int64(20) {
			data := b[s.data+i*s.BlockSize:][:s.BlockSize]
			copy(data, fmt.Sprintf("the block %d", i))
			h := a.new()
			if s.FixedHMAC {
				h.Write(s.salt)
			}
			h.Write(le.AppendUint64(nil, uint64(i*s.BlockSize/512)))
			h.Write(data)
			copy(b[s.tags+i*int64(tag):], h.Sum(nil)[:tag])
		}
	}
	return &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), SectorSize: 512, Name: "/dev/sda1", Info: &probe.Info{Type: "DM_integrity"}}
}

type keys []volume.Key

func (k keys) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		for _, key := range k {
			key.Secret = bytes.Clone(key.Secret)
			if !yield(key, nil) {
				return
			}
		}
	}
}

func line(v *volume.Volume) string {
	if len(v.Table) != 1 {
		return fmt.Sprintf("%+v", v)
	}
	return v.Table[0].Line(func(b volume.Base) string { return b.(*volume.Member).Name })
}

// TestTables holds which table is made of which superblock.
func TestTables(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	other := keys{{Kind: volume.VolumeKey, Secret: make([]byte, 32)}, {Kind: volume.VolumeKey, Secret: secret}}
	hmac256 := hmacs[0].keyed(secret)
	zeros := strings.Repeat("0", 64)
	for _, test := range []struct {
		name   string
		a      *algorithm
		tag    int
		change func(b []byte)
		keys   keys
		want   string
	}{
		{"crc32c", &plain[0], 4, nil, nil, "0 4096 integrity /dev/sda1 0 4 J 2 block_size:512 internal_hash:crc32c"},
		{"crc32", &plain[1], 4, nil, nil, "0 4096 integrity /dev/sda1 0 4 J 2 block_size:512 internal_hash:crc32"},
		{"xxhash64, which is not computed", nil, 8, nil, nil, "0 4096 integrity /dev/sda1 0 8 J 2 block_size:512 internal_hash:xxhash64"},
		{"sha256", &plain[3], 32, nil, nil, "0 4096 integrity /dev/sda1 0 32 J 2 block_size:512 internal_hash:sha256"},
		{"sha256, of which 16 bytes are kept", &plain[3], 16, nil, nil, "0 4096 integrity /dev/sda1 0 16 J 2 block_size:512 internal_hash:sha256"},
		{"blocks of 4096 bytes", &plain[0], 4, func(b []byte) { b[28] = 3 }, nil,
			"0 4096 integrity /dev/sda1 0 4 J 2 block_size:4096 internal_hash:crc32c"},
		{"the padding of old kernels", &plain[0], 4, func(b []byte) { b[24] = 0 }, nil,
			"0 4096 integrity /dev/sda1 0 4 J 2 block_size:512 internal_hash:crc32c"},
		{"a bitmap", &plain[0], 4, func(b []byte) { b[24] |= 4 }, nil, "0 4096 integrity /dev/sda1 0 4 B 2 block_size:512 internal_hash:crc32c"},
		{"being computed", &plain[0], 4, func(b []byte) { b[24] |= 2; b[32] = 8 }, nil,
			"0 4096 integrity /dev/sda1 0 4 J 3 block_size:512 internal_hash:crc32c recalculate"},
		{"hmac", &hmac256, 32, nil, other, "0 4096 integrity /dev/sda1 0 32 J 2 block_size:512 internal_hash:hmac(sha256):" + zeros},
		{"hmac with a salt", &hmac256, 32, func(b []byte) { b[24] |= 0x10; b[50] = 9 }, other,
			"0 4096 integrity /dev/sda1 0 32 J 2 block_size:512 internal_hash:hmac(sha256):" + zeros},
	} {
		m := image(t, test.a, test.tag, test.change)
		v := open(context.Background(), []*volume.Member{m}, &volume.Env{Keys: test.keys})[0]
		if got := line(v); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, got, test.want)
		}
		if v.Size != 4096*512 || v.UUID != "CRYPT-INTEGRITY-sda1-integrity" || v.Kind != "crypt" {
			t.Errorf("%s: %+v", test.name, v)
		}
		if test.keys != nil && !bytes.Equal(v.Table[0].Key, secret) {
			t.Errorf("%s: %x", test.name, v.Table[0].Key)
		}
	}
}

// TestLocked holds what is said of what does not open.
func TestLocked(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	hmac256 := hmacs[0].keyed(secret)
	m := image(t, &hmac256, 32, nil)
	for _, test := range []struct {
		keys  keys
		tried int
	}{
		{nil, 0},
		{keys{{Kind: volume.VolumeKey, Secret: secret[1:]}, {Kind: volume.Recovery, Secret: secret}}, 2},
		{keys{{Kind: volume.VolumeKey, Secret: secret, Params: map[string]string{"integrity-algorithm": "hmac(sha1)"}}}, 1},
	} {
		v := open(context.Background(), []*volume.Member{m}, &volume.Env{Keys: test.keys})[0]
		if v.Table != nil || v.Locked == nil || v.Locked.Tried != test.tried || v.Locked.Slots[0].Kind != volume.VolumeKey {
			t.Errorf("%+v: %+v", v, v.Locked)
		}
	}
	v := open(context.Background(), []*volume.Member{image(t, &plain[0], 4, func(b []byte) { b[24] |= 1 })}, nil)[0]
	if v.Locked == nil || v.Locked.Err == nil {
		t.Errorf("with a journal that is authenticated: %+v", v)
	}
	v = open(context.Background(), []*volume.Member{image(t, nil, 4, func(b []byte) { b[24] |= 0x20; b[9] = 0 })}, nil)[0]
	if v.Table != nil || len(v.Problems) != 1 {
		t.Errorf("inline: %+v", v)
	}
}

// TestNotAsked: a checksum without a key that fits is not taken for one with a key, so nobody
// is asked for one; and neither is anybody where the journal has a key that cannot be given.
func TestNotAsked(t *testing.T) {
	for _, a := range plain {
		v := open(context.Background(), []*volume.Member{image(t, &a, a.size, nil)}, &volume.Env{Keys: asked{t}})[0]
		if v.Locked != nil || v.Table == nil || len(v.Table[0].Key) != 0 {
			t.Errorf("%s: %+v", a.name, v)
		}
	}
	open(context.Background(), []*volume.Member{image(t, &plain[0], 4, func(b []byte) { b[24] |= 1 })}, &volume.Env{Keys: asked{t}})
}

// asked is a keyring that must not be asked.
type asked struct{ t *testing.T }

func (a asked) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	a.t.Error("a key is asked for")
	return func(func(volume.Key, error) bool) {}
}

// TestBad holds that superblocks that lie are refused.
func TestBad(t *testing.T) {
	for want, change := range map[string]func(b []byte){
		"version 0":                 func(b []byte) { b[8] = 0 },
		"version 8":                 func(b []byte) { b[8] = 8 },
		"blocks of 2^4 sectors":     func(b []byte) { b[28] = 4 },
		"checksums of 0 bytes":      func(b []byte) { b[10] = 0 },
		"checksums of 256 bytes":    func(b []byte) { b[10], b[11] = 0, 1 },
		"for 0 sectors":             func(b []byte) { le.PutUint64(b[16:], 0) },
		"for 18446744073709551615":  func(b []byte) { le.PutUint64(b[16:], 1<<64-1) },
		"past the end of":           func(b []byte) { le.PutUint64(b[16:], 1<<53) },
		"past the end of the devic": func(b []byte) { le.PutUint32(b[12:], 1<<32-1) },
		"on another device":         func(b []byte) { b[9] = 0 },
		"after 2^32 sectors":        func(b []byte) { b[9] = 32 },
		"no superblock":             func(b []byte) { b[0] = 0 },
	} {
		m := image(t, nil, 4, change)
		if list := open(context.Background(), []*volume.Member{m}, nil); len(list) != 0 || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], want) {
			t.Errorf("%s: %d volumes, %q", want, len(list), m.Problems)
		}
	}
}

// TestDump compares with what integritysetup(8) says of a superblock.
func TestDump(t *testing.T) {
	tool, err := exec.LookPath("integritysetup")
	if err != nil {
		t.Skip("no integritysetup")
	}
	m := image(t, &plain[0], 4, func(b []byte) { b[24] |= 6; b[28] = 1; b[32] = 200 })
	b := make([]byte, m.Size)
	m.R.ReadAt(b, 0)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "dump", path).Output()
	if err != nil {
		t.Skip(err) // without the kernel's device mapper, some versions do not even read
	}
	s, err := Read(m.R, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	// The words depend on the version of integritysetup.
	for _, want := range []string{
		fmt.Sprintf(`(integrity_tag_size|tag size:) %d\b`, s.TagSize),
		fmt.Sprintf(`(sector_size|sector size:) %d\b`, s.BlockSize),
		fmt.Sprintf(`(provided_data_sectors|data size:) %d\b`, s.Size/512),
		fmt.Sprintf(`(journal_sections|journal sections:) %d\b`, s.JournalSections),
		fmt.Sprintf(`(recalc_sector|recalculate sector:) %d\b`, s.Recalculated/512),
		`flags:? recalculating dirty_bitmap fix_padding`,
	} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

// FuzzSuperblock reads superblocks that are the input.
func FuzzSuperblock(f *testing.F) {
	for _, change := range []func([]byte){nil, func(b []byte) { b[24] |= 2; b[28] = 3 }} {
		b := make([]byte, superblockSize)
		image(f, &plain[0], 4, change).R.ReadAt(b, 0)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		device := make([]byte, 1<<20)
		copy(device, b[:min(len(b), 4096)])
		m := &volume.Member{R: bytes.NewReader(device), Size: int64(len(device)), Name: "x"}
		for _, v := range open(context.Background(), []*volume.Member{m}, nil) {
			s := v.Info.(*Superblock)
			if v.Table == nil && v.Locked == nil && len(v.Problems) == 0 || v.Size <= 0 || v.Size > m.Size && !s.Inline {
				t.Errorf("%+v", v)
			}
		}
	})
}
