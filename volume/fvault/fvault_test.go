package fvault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/testdm"
	"github.com/unboot/unboot/volume/probe"
)

// small is cryptsetup's image, with what its test says of it.
func small(t *testing.T) string {
	return filepath.Join(testimg.SourceArchive(t, "cryptsetup", "fvault2-images"), "small")
}

func openAll(m *volume.Member, keys ...volume.Key) []*volume.Volume {
	return Type.Open(context.Background(), []*volume.Member{m}, &volume.Env{Keys: &testdm.Keys{List: keys}})
}

func TestCryptsetup(t *testing.T) {
	m := testdm.Member(t, small(t))
	info, err := probe.Probe(m.R, m.Size)
	if err != nil || info == nil || info.Type != "cs_fvault2" || info.UUID != "fc52bfae-5a1f-4f9b-b3a6-f33303a0e401" {
		t.Errorf("recognized as %+v, %v", info, err)
	}
	passphrase := volume.Key{Kind: volume.Passphrase, Secret: []byte("heslo123")}
	list := openAll(m, volume.Key{Kind: volume.Passphrase, Secret: []byte("heslo124")}, passphrase)
	if len(list) != 1 || !list[0].Usable() || len(m.Problems) > 0 {
		t.Fatalf("not open: %+v %q", list, m.Problems)
	}
	v := list[0]
	want := Header{"fc52bfae-5a1f-4f9b-b3a6-f33303a0e401", "33a76caa-1481-4bc5-8d04-1ac1707c19c0", 67108864, 167772160, 204222}
	if h := v.Info.(*Header); *h != want {
		t.Errorf("it is %+v", h)
	}
	const key = "20734d3389212774d7610c29d732880916f3be14c4b12ac7aaf07e5ccc77b319"
	if got := hex.EncodeToString(v.Table[0].Key); got != key {
		t.Errorf("key %s", got)
	}
	sum := sha256.New()
	if err := testdm.Copy(sum, v); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != "2c662e36c0f7e2f5583e6a939bbcbdc660805692d0fccaa45ad4052beb3b8e18" {
		t.Errorf("it has the hash %s", got)
	}
	// The key of the data is taken as well, and is checked.
	data, _ := hex.DecodeString(key)
	if list := openAll(m, volume.Key{Kind: volume.VolumeKey, Secret: data}); !list[0].Usable() {
		t.Error("the volume's key does not open it")
	}
	list = openAll(m, volume.Key{Kind: volume.VolumeKey, Secret: make([]byte, 32)})
	if lock := list[0].Locked; lock == nil || lock.Tried != 1 || len(lock.Slots) != 1 || list[0].Usable() {
		t.Errorf("any key is taken for the volume's: %+v", list[0])
	}
}

// What `cryptsetup fvault2Dump` prints.
func TestDump(t *testing.T) {
	testimg.Need(t, "cryptsetup")
	path := small(t)
	out := testimg.MustRun(t, "cryptsetup", "fvault2Dump", path)
	h := openAll(testdm.Member(t, path))[0].Info.(*Header)
	for field, want := range map[string]string{
		"Physical volume UUID": h.UUID, "Family UUID": h.FamilyUUID, "PBKDF2 iterations": fmt.Sprint(h.Iterations),
		"Logical volume offset": fmt.Sprint(h.Offset, " [bytes]"), "Logical volume size": fmt.Sprint(h.Size, " [bytes]"),
	} {
		got := regexp.MustCompile(field + `:\s*(.*)`).FindStringSubmatch(out)
		if got == nil || strings.TrimSpace(got[1]) != want {
			t.Errorf("%s: %q, not %q", field, got, want)
		}
	}
}

// The vector of RFC 3394, 4.1.
func TestUnwrap(t *testing.T) {
	wrapping, _ := hex.DecodeString("000102030405060708090A0B0C0D0E0F")
	wrapped, _ := hex.DecodeString("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")
	if got := hex.EncodeToString(unwrap(wrapping, wrapped)); got != "00112233445566778899aabbccddeeff" {
		t.Error(got)
	}
	wrapped[3] ^= 1
	if unwrap(wrapping, wrapped) != nil {
		t.Error("a key that was changed is taken")
	}
}

func TestPlist(t *testing.T) {
	const text = `<dict><key>a</key><integer></integer><key>a</key><integer size="64" ID="3">0x10</integer><key>b</key><data>AAEC
Aw==</data><key>c</key><string>x<`
	if v, err := property(text, "a", "integer"); v != "0x10" || err != nil {
		t.Error(v, err)
	}
	if b, err := data(text, "b", 4); !bytes.Equal(b, []byte{0, 1, 2, 3}) || err != nil {
		t.Error(b, err)
	}
	if _, err := data(text, "b", 5); err == nil {
		t.Error("data of another length is taken")
	}
	for _, key := range []string{"c", "d"} {
		if v, err := property(text, key, "string"); err == nil {
			t.Error(v)
		}
	}
}

// handmade returns the least that has all of the metadata.
func handmade(iterations uint32, size string) []byte {
	put := binary.LittleEndian.PutUint32
	b := make([]byte, 64<<10)
	copy(b[88:], "CS")
	b[8], b[168] = 1, 16
	put(b[96:], 4096)
	b[104] = 1 // the label
	sum(b[:headSize])
	label := b[4096:][:blockSize]
	put(label[220:], blockSize)
	sum(label)
	groups := b[4096+blockSize:]
	groups[8], groups[32] = 4, 4 // blocks, and where they begin
	for i, block := range []struct {
		kind uint16
		at   int
		text string
	}{
		{0x0019, 112, keys(iterations)},
		{0x001a, 128, "<key>com.apple.corestorage.lv.size</key><integer>" + size + "</integer>" +
			"<key>com.apple.corestorage.lv.familyUUID</key><string>33A76CAA-1481-4BC5-8D04-1AC1707C19C0</string>"},
		{0x0305, 0, ""},
	} {
		p := b[16384+i*blockSize:][:blockSize]
		binary.LittleEndian.PutUint16(p[10:], block.kind)
		if block.text != "" {
			put(p[block.at:], 512)
			put(p[block.at+4:], uint32(len(block.text)))
			copy(p[512:], block.text)
		} else {
			p[104] = 4
		}
		sum(p)
	}
	return b
}

func keys(iterations uint32) string {
	kek := make([]byte, 284)
	binary.LittleEndian.PutUint32(kek[168:], iterations)
	return fmt.Sprintf("<key>PassphraseWrappedKEKStruct</key><data>%s</data><key>KEKWrappedVolumeKeyStruct</key><data>%s</data>",
		encode(kek), encode(make([]byte, 256)))
}

func sum(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], 0xffffffff)
	binary.LittleEndian.PutUint32(b, ^crc32.Checksum(b[8:], castagnoli))
}

// opened reads metadata whose blocks are not encrypted: they are encrypted here first, by
// the key that the header has.
func opened(t testing.TB, b []byte) (*volume.Member, []*volume.Volume) {
	m := &volume.Member{R: bytes.NewReader(encrypted(t, b)), Size: int64(len(b)), Name: "/dev/sda2"}
	return m, openAll(m, volume.Key{Kind: volume.Passphrase, Secret: []byte("x")})
}

// Metadata of a hostile image: a derivation without end, a volume larger than the device.
func TestHostile(t *testing.T) {
	m, list := opened(t, handmade(1000, "0x1000"))
	if len(m.Problems) > 0 || len(list) != 1 || list[0].Locked == nil || list[0].Locked.Tried != 1 || list[0].Locked.Err != nil {
		t.Fatalf("%+v %q", list, m.Problems)
	}
	for _, n := range []uint32{0, iterationsMax + 1} {
		if _, list := opened(t, handmade(n, "0x1000")); list[0].Locked == nil || list[0].Locked.Err == nil {
			t.Errorf("%d iterations: %+v", n, list[0].Locked)
		}
	}
	for _, size := range []string{"0x7ffffffffffffe00", "0x100000", "0x201"} {
		if _, list := opened(t, handmade(1000, size)); len(list[0].Problems) != 1 {
			t.Errorf("size %s: %+v", size, list[0])
		}
	}
	if m, list := opened(t, handmade(1000, "-1")); len(list) != 0 || len(m.Problems) != 1 {
		t.Errorf("%+v %q", list, m.Problems)
	}
	for _, end := range []int64{0, 511, 512, 5000, 20000, 30000} {
		b := encrypted(t, handmade(1000, "0x1000"))
		m := &volume.Member{R: io.NewSectionReader(bytes.NewReader(b), 0, end), Size: end}
		if list := openAll(m); len(list) != 0 || len(m.Problems) != 1 {
			t.Errorf("cut off at %d: %+v %q", end, list, m.Problems)
		}
	}
}

// FuzzOpen makes the checksums right, or nothing would get past them.
func FuzzOpen(f *testing.F) {
	f.Add(handmade(1, "0x1000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 16384+3*blockSize {
			return
		}
		sum(b[:headSize])
		sum(b[4096:][:blockSize])
		for i := range 3 {
			sum(b[16384+i*blockSize:][:blockSize])
		}
		if binary.LittleEndian.Uint32(b[16384+512:]) > 0 {
			// The text is what is of interest, not how long a derivation takes.
			copy(b[16384+512:], keys(1))
			sum(b[16384:][:blockSize])
		}
		_, list := opened(t, b)
		for _, v := range list {
			if v.Usable() {
				t.Fatalf("it opens: %+v", v)
			}
		}
	})
}
