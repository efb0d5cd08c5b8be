package luks

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// blank makes a device that is not yet formatted.
func blank(t *testing.T, size int64) (string, *Writer) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	f, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return image, &Writer{
		Device: f, Size: size, Decrypt: decrypt, KDF: KDF{Type: "pbkdf2", Iterations: 1000},
		Encrypt: func(name string, key []byte, sector uint64, data []byte) error {
			return sectorCipher(name, key, sector, data, true)
		},
	}
}

// opens reports whether cryptsetup opens an image by a passphrase, and holds it against what
// this package says.
func opens(t *testing.T, image, secret string) bool {
	t.Helper()
	_, err := tryCryptsetup(t, secret, "open", "--test-passphrase", "--key-file=-", image)
	v := openWith(t, member(t, image), passphrase(secret))[0]
	if v.Usable() != (err == nil) {
		t.Errorf("%q: %v, cryptsetup: %v", secret, v.Usable(), err)
	}
	if v.Usable() && !bytes.Equal(v.Table[0].Key, dumpKey(t, image, secret)) {
		t.Error("another key than cryptsetup has")
	}
	return err == nil
}

// TestFormat: what is formatted here cryptsetup opens, adds keys to, and takes away from; and
// the other way round.
func TestFormat(t *testing.T) {
	for _, c := range []struct {
		name   string
		layout Layout
		kdf    KDF
	}{
		{"luks1", Layout{Version: 1}, KDF{}},
		{"essiv", Layout{Version: 1, Cipher: "aes-cbc-essiv:sha256", Hash: "sha1", KeySize: 16}, KDF{}},
		{"luks2", Layout{}, KDF{}},
		{"argon2", Layout{Label: "a label", Subsystem: "its use", SectorSize: 4096, UUID: "12a3a118-7039-4575-a649-3f559d8d87ee"},
			KDF{Type: "argon2id", Time: 4, Memory: 64, CPUs: 2}},
		{"cbc", Layout{Cipher: "aes-cbc-plain64", Hash: "sha512"}, KDF{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			image, w := blank(t, 20<<20)
			if c.kdf.Type != "" {
				w.KDF = c.kdf
			}
			if err := w.Format(t.Context(), []byte("one"), c.layout); err != nil {
				t.Fatal(err)
			}
			dump := cryptsetup(t, "", "luksDump", image)
			for _, want := range []string{c.layout.Label, c.layout.Subsystem, c.layout.UUID} {
				if !strings.Contains(dump, want) {
					t.Errorf("no %q in %s", want, dump)
				}
			}
			if !opens(t, image, "one") || opens(t, image, "two") {
				t.Fatal("the passphrase")
			}
			if slot, err := w.AddKey(t.Context(), passphrase("one"), []byte("two"), -1); slot != 1 || err != nil {
				t.Fatal(slot, err)
			}
			if slot, err := w.AddKey(t.Context(), passphrase("two"), []byte("three"), 5); slot != 5 || err != nil {
				t.Fatal(slot, err)
			}
			file := filepath.Join(t.TempDir(), "four")
			os.WriteFile(file, []byte("four"), 0o600)
			cryptsetup(t, "one", "luksAddKey", "-q", "--key-file=-", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", image, file)
			for _, secret := range []string{"one", "two", "three", "four"} {
				if !opens(t, image, secret) {
					t.Errorf("%q does not open it", secret)
				}
			}
			if err := w.KillSlot(t.Context(), passphrase("four"), 0); err != nil {
				t.Fatal(err)
			}
			cryptsetup(t, "three", "luksKillSlot", "-q", "--key-file=-", image, "1")
			if opens(t, image, "one") || opens(t, image, "two") || !opens(t, image, "three") {
				t.Error("after slots were killed")
			}
			if _, err := w.AddKey(t.Context(), passphrase("three"), []byte("five"), -1); err != nil || !opens(t, image, "five") {
				t.Error("a slot is not used again: ", err)
			}
		})
	}
}

// TestWriteRefused: what would lose the volume, or cannot be, changes nothing.
func TestWriteRefused(t *testing.T) {
	for version := 1; version <= 2; version++ {
		image, w := blank(t, 20<<20)
		if err := w.Format(t.Context(), []byte("one"), Layout{Version: version}); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		add := func(with volume.Key, slot int) error {
			_, err := w.AddKey(t.Context(), with, []byte("new"), slot)
			return err
		}
		for name, err := range map[string]error{
			"add by a wrong key":  add(passphrase("wrong"), -1),
			"add to a used slot":  add(passphrase("one"), 0),
			"add to no slot":      add(passphrase("one"), 99),
			"kill the last slot":  w.KillSlot(t.Context(), passphrase("one"), 0),
			"kill an unused slot": w.KillSlot(t.Context(), passphrase("one"), 3),
			"format a version":    w.Format(t.Context(), []byte("x"), Layout{Version: 3}),
			"format a cipher":     w.Format(t.Context(), []byte("x"), Layout{Version: version, Cipher: "aes xts"}),
			"format no cipher":    w.Format(t.Context(), []byte("x"), Layout{Version: version, Cipher: "cipher_null-ecb"}),
			"format a hash":       w.Format(t.Context(), []byte("x"), Layout{Version: version, Hash: "md5"}),
			"format a UUID":       w.Format(t.Context(), []byte("x"), Layout{Version: version, UUID: "../../x"}),
			"format a key":        w.Format(t.Context(), []byte("x"), Layout{Version: version, KeySize: 4096}),
			"format a label":      w.Format(t.Context(), []byte("x"), Layout{Version: version, Label: strings.Repeat("x", 48)}),
			"format sectors":      w.Format(t.Context(), []byte("x"), Layout{Version: version, SectorSize: 513}),
		} {
			if err == nil {
				t.Errorf("version %d, %s: no error", version, name)
			}
		}
		if err := add(passphrase("wrong"), -1); !errors.Is(err, ErrPassphrase) {
			t.Errorf("a wrong key: %v", err)
		}
		if after, _ := os.ReadFile(image); !bytes.Equal(after, before) {
			t.Errorf("version %d: something was changed", version)
		}
	}
	for version, size := range []int64{1: payload1, 2: payload2} {
		if version == 0 {
			continue
		}
		_, w := blank(t, size)
		if err := w.Format(t.Context(), []byte("x"), Layout{Version: version}); err == nil {
			t.Errorf("version %d on %d bytes", version, size)
		}
	}
}

// TestWriteKeeps: tokens and what is not known stay, and slots are taken out of them.
func TestWriteKeeps(t *testing.T) {
	image, w := blank(t, 20<<20)
	if err := w.Format(t.Context(), []byte("one"), Layout{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddKey(t.Context(), passphrase("one"), []byte("two"), -1); err != nil {
		t.Fatal(err)
	}
	cryptsetup(t, `{"type":"some","keyslots":["0","1"],"odd":[1.5,"<&>",18446744073709551615]}`, "token", "import", image)
	if err := w.KillSlot(t.Context(), passphrase("two"), 0); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHeader(w.Device, w.Size)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Tokens) != 1 || !slices.Equal(h.Tokens[0].Keyslots, []int{1}) || !strings.Contains(string(h.Tokens[0].JSON), "18446744073709551615") {
		t.Errorf("%+v", h.Tokens)
	}
	compareJSON(t, h, image)
}
