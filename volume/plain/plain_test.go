package plain

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/hashfunc"
	"github.com/unboot/unboot/volume/internal/testdm"
)

// keyOf returns a passphrase whose parameters are given as pairs.
func keyOf(secret string, params ...string) volume.Key {
	k := volume.Key{Kind: volume.Passphrase, Secret: []byte(secret), Params: map[string]string{"plain": ""}}
	for i := 0; i+1 < len(params); i += 2 {
		k.Params[params[i]] = params[i+1]
	}
	return k
}

// The keys that cryptsetup's own test expects of passphrases.
func TestPassphrases(t *testing.T) {
	script, err := os.ReadFile(testimg.SourceFile(t, "cryptsetup", "password-hash-test"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^crypt_key (\S+)\s+(\d+)\s+(pwd|failpwd) "(\w+)" (\w+)$`).FindAllStringSubmatch(string(script), -1)
	if len(lines) < 15 {
		t.Fatalf("only %d cases", len(lines))
	}
	n := 0
	for _, f := range lines {
		name, _, _ := strings.Cut(f[1], ":")
		if name != "plain" && hashfunc.ByName[name] == nil {
			continue
		}
		size := f[2]
		if size == "0" {
			size = "256"
		}
		h, err := headerOf(keyOf(f[4], "hash", f[1], "size", size))
		if err != nil {
			t.Fatal(err)
		}
		key, err := h.key([]byte(f[4]))
		switch {
		case f[3] == "failpwd" && err == nil:
			t.Errorf("%s is taken", f[0])
		case f[3] == "pwd" && (err != nil || hex.EncodeToString(key) != f[5]):
			t.Errorf("%s: %x, %v", f[0], key, err)
		}
		n++
	}
	if n < 15 {
		t.Errorf("only %d cases were tried", n)
	}
}

func openKey(t *testing.T, size int64, key volume.Key) (*volume.Volume, *volume.Member) {
	t.Helper()
	ring := &testdm.Keys{List: []volume.Key{{Kind: volume.Recovery}, keyOf("x", "tcrypt", ""), key}}
	m := &volume.Member{R: bytes.NewReader(make([]byte, size)), Size: size, Name: "/dev/vg/lv"}
	list := Type.Open(context.Background(), []*volume.Member{m}, &volume.Env{
		Keys: ring,
		Decrypt: func(spec string, key []byte, _ uint64, data []byte) error {
			if strings.HasPrefix(spec, "rot13") {
				return fmt.Errorf("cipher: %w", unix.ENOENT)
			}
			return nil
		},
	})
	if !ring.Wiped() {
		t.Errorf("%v: a key is not wiped", key.Params)
	}
	if len(list) == 0 {
		return nil, m
	}
	return list[0], m
}

// The tables, as cryptsetup(8) and crypttab(5) describe them.
func TestTables(t *testing.T) {
	name := func(volume.Base) string { return "7:0" }
	zeros := func(n int) string { return strings.Repeat("0", 2*n) }
	for _, c := range []struct {
		key  volume.Key
		want string
	}{
		{keyOf("x"), "0 2049 crypt aes-cbc-essiv:sha256 " + zeros(32) + " 0 7:0 0"},
		{keyOf("x", "cipher", "aes", "size", "128"), "0 2049 crypt aes-cbc-plain " + zeros(16) + " 0 7:0 0"},
		{keyOf("x", "cipher", "twofish-xts-plain64", "size", "512", "offset", "48", "skip", "7"),
			"0 2001 crypt twofish-xts-plain64 " + zeros(64) + " 7 7:0 48"},
		{keyOf("x", "sector-size", "4096", "skip", "8"), "0 2048 crypt aes-cbc-essiv:sha256 " + zeros(32) + " 8 7:0 0 1 sector_size:4096"},
		{volume.Key{Kind: volume.VolumeKey, Secret: make([]byte, 40), Params: map[string]string{"cipher": "aes-xts-plain64", "hash": "nonsense"}},
			"0 2049 crypt aes-xts-plain64 " + zeros(32) + " 0 7:0 0"},
	} {
		v, m := openKey(t, 2049*512, c.key)
		if v == nil || len(v.Table) != 1 {
			t.Errorf("%v: %+v", c.key.Params, v)
			continue
		}
		if got := v.Table[0].Line(name); got != c.want || v.Table[0].Devices[0] != volume.Base(m) {
			t.Errorf("%q, not %q", got, c.want)
		}
		if n, _ := strconv.ParseInt(strings.Fields(c.want)[1], 10, 64); v.Size != n*512 || v.Name != "plain-vg-lv" || v.UUID != "CRYPT-PLAIN-plain-vg-lv" {
			t.Errorf("it is %+v", v)
		}
	}
}

// What cannot be leaves a volume that says why.
func TestProblems(t *testing.T) {
	short := keyOf("x")
	short.Kind = volume.VolumeKey
	for _, key := range []volume.Key{
		keyOf("x", "size", "12"), keyOf("x", "size", "0"), keyOf("x", "size", "99999999999"), keyOf("x", "size", "-8"),
		keyOf("x", "sector-size", "1000"), keyOf("x", "sector-size", "8192"), keyOf("x", "sector-size", "4096", "skip", "1"),
		keyOf("x", "offset", "2049"), keyOf("x", "offset", "9223372036854775807"), keyOf("x", "skip", "x"),
		keyOf("x", "cipher", "aes-xts-plain64 0 /dev/sda"), keyOf("x", "hash", "sha257"), keyOf("x", "hash", "sha256:33"), keyOf("x", "cipher", "rot13"), short,
	} {
		v, _ := openKey(t, 2049*512, key)
		if v == nil || v.Usable() || len(v.Problems) != 1 || len(v.Bases) != 1 {
			t.Errorf("%v: %+v", key.Params, v)
		}
	}
	if v, _ := openKey(t, 2049*512, volume.Key{Kind: volume.Passphrase}); v != nil {
		t.Errorf("by a key that says nothing: %+v", v)
	}
	lost := errors.New("nobody there")
	list := Type.Open(context.Background(), []*volume.Member{{Size: 512}}, &volume.Env{Keys: failing{lost}})
	if len(list) != 1 || !errors.Is(list[0].Locked.Err, lost) {
		t.Errorf("%+v", list)
	}
}

// TestBounds: a parameter never becomes more than a word of the table, and what is in range at
// the bounds is taken.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		params []string
		size   int64 // in bytes; 0 if it cannot be
	}{
		{[]string{"offset", "2048"}, 512},
		{[]string{"offset", "2048", "sector-size", "1024"}, 0},
		{[]string{"offset", "2041", "sector-size", "4096"}, 4096},
		{[]string{"skip", "18014398509481983"}, 2049 * 512},
		{[]string{"skip", "18014398509481984"}, 0},
		{[]string{"size", "4096"}, 2049 * 512},
		{[]string{"size", "4104"}, 0},
		{[]string{"hash", "sha256:1"}, 2049 * 512},
		{[]string{"hash", "sha256:0"}, 0},
		{[]string{"hash", "sha256:"}, 0},
		{[]string{"hash", "plain:7"}, 0},
		{[]string{"hash", "plain:6"}, 2049 * 512},
		{[]string{"cipher", "aes-xts-plain64\tx"}, 0},
		{[]string{"cipher", "aes-xts-plain64\x00"}, 0},
		{[]string{"cipher", "a\u00e9s"}, 0},
		{[]string{"cipher", "capi:xts(aes)-plain64"}, 2049 * 512},
		{[]string{"cipher", "null"}, 2049 * 512},
	} {
		v, _ := openKey(t, 2049*512, keyOf("secret", c.params...))
		switch {
		case v == nil:
			t.Errorf("%q: nothing", c.params)
		case c.size == 0 && (v.Usable() || len(v.Problems) != 1 || strings.Contains(v.Problems[0], "secret")):
			t.Errorf("%q: %+v", c.params, v)
		case c.size != 0 && (!v.Usable() || v.Size != c.size || len(strings.Fields(v.Table[0].Params)) != len(strings.Split(v.Table[0].Params, " "))):
			t.Errorf("%q: %d bytes, %q", c.params, v.Size, v.Problems)
		}
	}
}

// FuzzParams builds tables of any parameters.
func FuzzParams(f *testing.F) {
	f.Add("aes-xts-plain64", "sha256:20", "512", "8", "16", "4096", int64(1<<20))
	f.Add("aes", "plain:1", "", "", "", "", int64(512))
	f.Fuzz(func(t *testing.T, cipher, hash, size, offset, skip, sector string, device int64) {
		key := keyOf("secret", "cipher", cipher, "hash", hash, "size", size, "offset", offset, "skip", skip, "sector-size", sector)
		m := &volume.Member{Size: max(device, 0)}
		v := &volume.Volume{}
		if complete(v, m, &volume.Env{}, key) != nil {
			return
		}
		h := v.Info.(*Header)
		if v.Size <= 0 || v.Size%int64(h.SectorSize) != 0 || v.Size+h.Offset*512 > m.Size || len(v.Table[0].Key) != h.KeySize {
			t.Errorf("%+v of %+v", v, h)
		}
		if f := strings.Fields(v.Table[0].Params); len(f) != 5 && len(f) != 7 {
			t.Errorf("parameters %q", v.Table[0].Params)
		}
	})
}

// failing is a keyring that has given up.
type failing struct{ err error }

func (f failing) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) { yield(volume.Key{}, f.err) }
}
