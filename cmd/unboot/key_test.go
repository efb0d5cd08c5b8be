package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

func TestParseKey(t *testing.T) {
	for text, want := range map[string]string{
		"/dev/sda2:key:a:b": "/dev/sda2 map[] key a:b",
		"all:file:/k":       "all map[] file /k",
		"all:recovery:1-2":  "all map[] recovery 1-2",
		"sdb,plain,cipher=aes-xts-plain64,size=256:key:":     "sdb map[cipher:aes-xts-plain64 plain: size:256] key ",
		"sdb,plain,cipher=aes-cbc-essiv:sha256:key:a:file:b": "sdb map[cipher:aes-cbc-essiv:sha256 plain:] key a:file:b",
		"x:roothash:00fF":               "x map[] roothash 00fF",
		"":                              "error: expected ID:KIND:VALUE",
		"all:key":                       "error: expected ID:KIND:VALUE",
		":key:x":                        "error: expected ID:KIND:VALUE",
		"all:clevis":                    "error: expected ID:KIND:VALUE",
		"all:clevis:":                   "error: a key of the kind clevis",
		"all:SECRET:SECRET2":            "error: expected ID:KIND:VALUE",
		"all,keyfile-offset=x:file:/k":  "error: keyfile-offset=x is not a number",
		"all,keyfile-size=-1:file:/k":   "error: keyfile-size=-1 is not a number",
		"all:roothash:hidden":           "error: a root hash consists of",
		"sda,hash-offset=x:roothash:00": "error: hash-offset=x is not a number",
		"all,hash-offset=1:roothash:00": "error: hash-offset=1 is not a number of bytes on a device",
	} {
		k, err := parseKey(text)
		got := fmt.Sprint(k.id, " ", k.params, " ", k.kind, " ", k.value)
		if err != nil {
			got = "error: " + err.Error()
		}
		if !strings.HasPrefix(got, want) || err == nil && got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "SECRET")) {
			t.Errorf("%s: the key is in %v", text, err)
		}
	}
}

func TestKeyMatches(t *testing.T) {
	luks := &unboot.Device{Name: "/dev/sda2", Aliases: []string{"/dev/vg/lv"},
		Content: &probe.Info{Type: "crypto_LUKS", UUID: "01234567-89ab-CDEF-0123-456789abcdef"}}
	blank := &unboot.Device{Name: "/dev/sdb"}
	for text, want := range map[string]string{
		"all:key:x": "luks", "/dev/sda2:key:x": "luks", "sda2:key:x": "luks", "/dev/vda2:key:x": "luks", "/dev/vg/lv:key:x": "luks",
		"UUID=01234567-89AB-cdef-0123-456789abcdef:key:x": "luks", "0123456789abcdef0123456789abcdef:key:x": "luks",
		"sda1:key:x": "", "/dev/sdb:key:x": "", "sdb,plain:key:x": "blank", "vdb,tcrypt,tcrypt-hidden:key:x": "blank", "all,plain:key:x": "luks",
	} {
		k, err := parseKey(text)
		got := ""
		if k.matches(luks) {
			got += "luks"
		}
		if k.matches(blank) {
			got += "blank"
		}
		if err != nil || got != want {
			t.Errorf("%s is for %q, want %q (%v)", text, got, want, err)
		}
	}
}

// Keys come in the order of the command line, then that of the environment; a file is one
// or two.
func TestKeyOrder(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv(keyFileEnv, file("env", "from env"))
	k := &keys{lines: [][]byte{[]byte("typed")}}
	for _, s := range []string{
		"all:key:one", "all:file:" + file("line", "two\n"), "all,keyfile-offset=2,keyfile-size=3:file:" + file("part", "--abc--"),
		"other:key:no", "all:file:" + file("lines", "a\nb\n"), "all:startup:" + file("bek", "BEK\n"), "all:volume:" + file("vk", "\x00\n"),
	} {
		spec, err := parseKey(s)
		if err != nil {
			t.Fatal(s, err)
		}
		k.specs = append(k.specs, &spec)
	}
	d := &unboot.Device{Name: "/dev/sda", Content: &probe.Info{Type: "crypto_LUKS"}}
	for i, want := range []volume.Key{
		{Kind: volume.Passphrase, Secret: []byte("one")}, {Kind: volume.Passphrase, Secret: []byte("two")}, {Kind: volume.Passphrase, Secret: []byte("two\n")},
		{Kind: volume.Passphrase, Secret: []byte("abc")}, {Kind: volume.Passphrase, Secret: []byte("a\nb\n")}, {Kind: volume.StartupKey, Secret: []byte("BEK\n")},
		{Kind: volume.VolumeKey, Secret: []byte("\x00\n")}, {Kind: volume.Passphrase, Secret: []byte("from env")}, {Kind: volume.Passphrase, Secret: []byte("typed")},
	} {
		for range 2 { // each time another copy, as the caller wipes it
			key, err := k.key(d, i)
			if err != nil || key.Kind != want.Kind || string(key.Secret) != string(want.Secret) {
				t.Errorf("%d: %s %q, %v; want %s %q", i, key.Kind, key.Secret, err, want.Kind, want.Secret)
			}
			key.Wipe()
		}
	}
	if _, err := k.key(d, 9); !errors.Is(err, unboot.ErrNoKey) {
		t.Error(err)
	}
	k.specs = []*keySpec{{id: "all", kind: "file", value: filepath.Join(dir, "none")}}
	if _, err := k.key(d, 0); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	k.specs = []*keySpec{{id: "all", kind: "file", value: file("short", "ab"), params: map[string]string{"keyfile-size": "3"}}}
	if _, err := k.key(d, 0); err == nil || !strings.Contains(err.Error(), "keyfile-size") {
		t.Error(err)
	}
}
