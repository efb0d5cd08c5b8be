package tcrypt

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/testdm"
)

const (
	outerPassword  = "aaaaaaaaaaaa" // of cryptsetup's images
	hiddenPassword = "bbbbbbbbbbbb"
)

// keyOf returns a key whose parameters are given as pairs.
func keyOf(password string, params ...string) volume.Key {
	k := volume.Key{Kind: volume.Passphrase, Secret: []byte(password), Params: map[string]string{}}
	for i := 0; i+1 < len(params); i += 2 {
		k.Params[params[i]] = params[i+1]
	}
	return k
}

func openImage(t *testing.T, path string, keys ...volume.Key) []*volume.Volume {
	t.Helper()
	m := testdm.Member(t, path)
	ring := &testdm.Keys{List: keys}
	list := Type.Open(context.Background(), []*volume.Member{m}, &volume.Env{Keys: ring, Decrypt: testdm.Decrypt})
	if !ring.Wiped() {
		t.Errorf("%s: a key is not wiped", path)
	}
	return list
}

// here reports whether testdm has the ciphers and the mode of an image. What it has not, a
// test with a kernel opens.
func here(name string) bool {
	return !strings.Contains(name, "serpent") && !strings.Contains(name, "camellia") && !strings.Contains(name, "-lrw-") &&
		!strings.Contains(name, "aes-blowfish") && !strings.Contains(name, "kuznyechik") && !strings.Contains(name, "stribog")
}

// cryptsetup's images: what their names say is what is found, and the file system that its test
// looks for is there.
func TestImages(t *testing.T) {
	dir := testimg.SourceArchive(t, "cryptsetup", "tcrypt-images")
	images, _ := filepath.Glob(filepath.Join(dir, "[tv]c_*"))
	if len(images) < 50 {
		t.Fatalf("only %d images", len(images))
	}
	for _, path := range images {
		f := strings.SplitN(strings.TrimSuffix(filepath.Base(path), "-hidden"), "-", 4) // tc_3-sha512-xts-aes-twofish
		if !here(filepath.Base(path)) {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			if f[0][0] == 'v' && (f[1] == "whirlpool" || f[1] == "ripemd160") && !testimg.Thorough() {
				t.Skip("UNBOOT_TEST_ALL is not set: half a million rounds of a slow hash")
			}
			keys := map[string]volume.Key{"DEAD-BABE": keyOf(outerPassword, "tcrypt", "", "hash", f[1])}
			if strings.HasSuffix(path, "-hidden") {
				keys["CAFE-BABE"] = keyOf(hiddenPassword, "hash", f[1], "tcrypt-hidden", "")
			}
			for uuid, key := range keys {
				list := openImage(t, path, key)
				if len(list) == 0 {
					t.Fatal("nothing was found")
				}
				v := list[len(list)-1]
				h, _ := v.Info.(*Header)
				if h == nil || v.Locked != nil {
					t.Fatalf("locked: %+v", v.Locked)
				}
				if got, want := strings.Split(h.Cipher, "-"), strings.Split(f[3], "-"); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) ||
					h.VeraCrypt != strings.HasPrefix(f[0], "vc") || !strings.HasSuffix(h.KDF, f[1]) || h.Mode[:3] != f[2] && h.Mode != string(outer) {
					t.Errorf("it is %+v", h)
				}
				if h.Mode == string(outer) {
					if v.Usable() || len(v.Problems) != 1 {
						t.Errorf("%s: %q", h.Mode, v.Problems)
					}
					continue
				}
				if !v.Usable() || len(v.Problems) > 0 {
					t.Fatalf("not usable: %q", v.Problems)
				}
				if len(list) != strings.Count(h.Cipher, "-")+1 || v.Hidden || len(list) > 1 && !list[0].Hidden {
					t.Errorf("%d volumes for %s", len(list), h.Cipher)
				}
				if f[2] == "xts" {
					checkFAT(t, v, uuid)
				}
			}
		})
	}
}

// checkFAT compares the serial number of a FAT.
func checkFAT(t *testing.T, v *volume.Volume, want string) {
	t.Helper()
	boot, err := testdm.Read(v, 0, 512)
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint32(boot[39:]); fmt.Sprintf("%04X-%04X", n>>16, n&0xffff) != want {
		t.Errorf("serial number %08X, not %s", n, want)
	}
}

// Images with key files, the copy of a header, and an encrypted system.
func TestKeys(t *testing.T) {
	dir := testimg.SourceArchive(t, "cryptsetup", "tcrypt-images")
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, name := range []string{"tck_5-sha512-xts-aes", "vck_1-sha512-xts-aes"} {
		mixed := string(Keyfiles([]byte(outerPassword), file("keyfile1"), file("keyfile2")))
		list := openImage(t, filepath.Join(dir, name), keyOf(outerPassword, "tcrypt", "", "hash", "sha512"), keyOf(mixed, "tcrypt", "", "hash", "sha512"))
		if len(list) != 1 || !list[0].Usable() {
			t.Fatalf("%s: not open: %+v", name, list)
		}
		checkFAT(t, list[0], "DEAD-BABE")
	}
	list := openImage(t, filepath.Join(dir, "tc_5-sha512-xts-aes"), keyOf(outerPassword, "tcrypt", "", "hash", "sha512", "tcrypt-backup", ""))
	if len(list) != 1 || !list[0].Usable() {
		t.Fatalf("by the copy: not open: %+v", list)
	}
	checkFAT(t, list[0], "DEAD-BABE")
	list = openImage(t, filepath.Join(dir, "sys_vc_1-sha256-xts-aes"), keyOf(outerPassword, "tcrypt", "", "hash", "sha256", "tcrypt-system", ""))
	if len(list) != 1 || !list[0].Usable() || !list[0].Info.(*Header).System {
		t.Fatalf("system: not open: %+v", list)
	}
	checkFAT(t, list[0], "DEAD-BABE")
}

// Which keys are for this kind, and what is left of a volume that none of them opens.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		key  volume.Key
		mine bool
	}{
		{keyOf("x"), false},
		{keyOf("x", "hash", "sha512"), false},
		{keyOf("x", "tcrypt", ""), true},
		{keyOf("x", "plain", ""), false},
		{keyOf("x", "cipher", "aes"), false},
		{keyOf("x", "cipher", "aes", "tcrypt", ""), true},
		{keyOf("x", "veracrypt-pim", "485"), true},
		{keyOf("x", "veracrypt-pim", "-1"), false},
		{keyOf("x", "veracrypt-pim", "2147469"), false},
		{volume.Key{Kind: volume.Recovery}, false},
	} {
		if _, mine := optionsOf(c.key); mine != c.mine {
			t.Errorf("%v: %v", c.key.Params, mine)
		}
	}
	path := filepath.Join(t.TempDir(), "noise")
	if err := os.WriteFile(path, bytes.Repeat([]byte("noise..."), 1<<15), 0o666); err != nil {
		t.Fatal(err)
	}
	if list := openImage(t, path, keyOf("x", "plain", "")); len(list) != 0 {
		t.Errorf("by the key of another kind: %+v", list)
	}
	list := openImage(t, path, keyOf("x", "tcrypt", "", "hash", "sha1"), keyOf(strings.Repeat("x", 65), "tcrypt-veracrypt", "no"))
	if len(list) != 1 || list[0].Locked == nil || list[0].Locked.Tried != 2 || list[0].Usable() {
		t.Errorf("locked: %+v", list)
	}
}

// The cost of a PIM, as VeraCrypt's documentation has it.
func TestCost(t *testing.T) {
	i := slices.IndexFunc(derivations, func(d derivation) bool { return d.veraCrypt && d.name == "sha512" })
	got, err := derivations[i].key(context.Background(), []byte("x"), []byte("salt"), 1)
	want, _ := pbkdf2.Key(sha512.New, "x", []byte("salt"), 16000, keysMax)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("with a PIM of 1: %x, %v", got, err)
	}
	for pim, want := range map[int64][2]uint32{0: {6, 416 << 10}, 1: {3, 64 << 10}, 12: {6, 416 << 10}, 31: {13, 1 << 20}, 32: {14, 1 << 20}} {
		if passes, memory := argonCost(pim); passes != want[0] || memory != want[1] {
			t.Errorf("PIM %d: %d passes, %d KiB", pim, passes, memory)
		}
	}
	if Keyfiles(make([]byte, 129)) != nil || len(Keyfiles(make([]byte, 65))) != 128 || len(Keyfiles(nil, []byte("a"))) != 64 {
		t.Error("the room for key files is wrong")
	}
}

// handmade returns a decrypted header with right checksums.
func handmade(fields map[int]uint64) []byte {
	b := make([]byte, headerSize-saltSize)
	copy(b, "VERA\x00\x05")
	for at, v := range fields {
		binary.BigEndian.PutUint64(b[at:], v)
	}
	fix(b)
	return b
}

func fix(b []byte) {
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[192:448]))
	binary.BigEndian.PutUint32(b[188:], crc32.ChecksumIEEE(b[:188]))
}

// Headers that lie about where the volume is, or that are damaged.
func TestPlace(t *testing.T) {
	m := &volume.Member{Size: 1 << 20}
	for _, fields := range []map[int]uint64{
		{36: 1 << 20, 44: 512}, {36: 1 << 63, 44: 1 << 63}, {36: 512, 44: 1<<64 - 512}, {36: 511, 44: 512}, {36: 512, 44: 511}, {44: 1 << 20},
	} {
		b := handmade(fields)
		if err := check(b); err != nil {
			t.Fatal(err)
		}
		if offset, size, err := parse(b).place(m); err == nil {
			t.Errorf("%v: %d bytes at %d", fields, size, offset)
		}
	}
	b := handmade(map[int]uint64{36: 512, 44: 131072})
	if offset, size, err := parse(b).place(m); offset != 131072 || size != 512 || err != nil {
		t.Error(offset, size, err)
	}
	b[200] ^= 1
	if check(b) == nil {
		t.Error("keys that were changed are taken")
	}
	b[200] ^= 1
	b[36] ^= 1
	if check(b) == nil {
		t.Error("a header that was changed is taken")
	}
}

// FuzzHeader opens what a hostile volume may decrypt to.
func FuzzHeader(f *testing.F) {
	f.Add(handmade(map[int]uint64{36: 512, 44: 131072}), int64(1<<20), true)
	f.Add(handmade(map[int]uint64{28: 4096, 44: 0}), int64(1000), false)
	f.Fuzz(func(t *testing.T, b []byte, size int64, hidden bool) {
		if len(b) != headerSize-saltSize || size < 0 {
			return
		}
		if fix(b); check(b) != nil {
			t.Fatal("checksums that were made right are wrong")
		}
		m := &volume.Member{Size: size}
		for _, c := range cascades {
			h := parse(b)
			h.cascade, h.Mode, h.Hidden = c, string(c.mode), hidden
			offset, n, err := h.place(m)
			if err == nil && (n == 0 || offset > uint64(size) || n > uint64(size)-offset) {
				t.Fatalf("%d bytes at %d of %d", n, offset, size)
			}
			h.keys = bytes.Clone(h.keys)
			if list, err := h.volumes(&volume.Volume{}, m); err == nil && len(list) != len(c.ciphers) {
				t.Fatalf("%d volumes", len(list))
			}
		}
	})
}

// A kernel without a cipher is asked for it once; another error ends the search.
func TestDecryptErrors(t *testing.T) {
	asked := map[string]int{}
	env := &volume.Env{Decrypt: func(spec string, key []byte, sector uint64, data []byte) error {
		asked[spec]++
		return fmt.Errorf("cipher: %w", unix.ENOENT)
	}}
	m := &volume.Member{R: bytes.NewReader(make([]byte, 1<<18)), Size: 1 << 18}
	o, _ := optionsOf(keyOf("x", "tcrypt", "", "hash", "sha1"))
	if h, err := find(context.Background(), m, env, []byte("x"), o); h != nil || err != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if n := slices.Max(slices.Collect(maps.Values(asked))); n != 1 {
		t.Errorf("asked %d times: %v", n, asked)
	}
	broken := errors.New("broken")
	env.Decrypt = func(string, []byte, uint64, []byte) error { return broken }
	if _, err := find(context.Background(), m, env, []byte("x"), o); !errors.Is(err, broken) {
		t.Error(err)
	}
}
