package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
	"github.com/unboot/unboot/volume/tcrypt"
)

func TestParseKey(t *testing.T) {
	for text, want := range map[string]string{
		"/dev/sda2:key:a:b": "/dev/sda2 map[] key a:b",
		"all:file:/k":       "all map[] file /k",
		"all:recovery:1-2":  "all map[] recovery 1-2",
		"sdb,plain,cipher=aes-xts-plain64,size=256:key:": "sdb map[cipher:aes-xts-plain64 plain: size:256] key ",
		"sdb,plain,hash=sha256:20:key:a:file:b":          "sdb map[hash:sha256:20 plain:] key a:file:b",
		"sdb,cipher=aes-cbc-essiv:sha256:file:/k":        "sdb map[cipher:aes-cbc-essiv:sha256] file /k",
		"sdb,header=vdc,key-slot=7:volume:/k":            "sdb map[header:/dev/sdc key-slot:7] volume /k",
		"sdb,header=UUID=a-b:key:x":                      "sdb map[header:UUID=a-b] key x",
		"sdb,tcrypt-keyfile=/a:b,tcrypt-keyfile=c:key:":  "sdb map[tcrypt-keyfile:] key ",
		"sdb,plain,hash=sha256:SECRET:x":                 "error: expected ID:KIND:VALUE",
		"sdb,cypher=aes:key:SECRET2":                     "error: cypher is not an option of a key: unboot(1)",
		"sdb,header:key:hidden":                          "error: header needs a device",
		"sdb,tcrypt-keyfile:key:hidden":                  "error: tcrypt-keyfile needs the path",
		"sdb,tcrypt-keyfile=/a:recovery:hidden":          "error: tcrypt-keyfile is for a password",
		",plain:key:hidden":                              "error: expected ID:KIND:VALUE",
		"x:roothash:00fF":                                "x map[] roothash 00fF",
		"":                                               "error: expected ID:KIND:VALUE",
		"all:key":                                        "error: expected ID:KIND:VALUE",
		":key:x":                                         "error: expected ID:KIND:VALUE",
		"all:clevis":                                     "error: expected ID:KIND:VALUE",
		"all:clevis:":                                    "error: a key of the kind clevis",
		"all:SECRET:SECRET2":                             "error: expected ID:KIND:VALUE",
		"all,keyfile-offset=x:file:/k":                   "error: keyfile-offset=x is not a number",
		"all,keyfile-size=-1:file:/k":                    "error: keyfile-size=-1 is not a number",
		"all:roothash:hidden":                            "error: a root hash consists of",
		"sda,hash-offset=x:roothash:00":                  "error: hash-offset=x is not a number",
		"all,hash-offset=1:roothash:00":                  "error: hash-offset=1 is not a number of bytes on a device",
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
		"sda1:key:x": "", "/dev/sdb:key:x": "", "sdb,plain:key:x": "blank", "sdb,tcrypt-system:key:x": "blank", "sdb,header=sdc:key:x": "blank", "sdb,hash=sha1:key:x": "", "sdb,cipher=aes:key:x": "blank", "vdb,tcrypt,tcrypt-hidden:key:x": "blank", "all,plain:key:x": "luks",
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

// Key files are mixed into a password as the programs do, in each of the forms that a file
// with the password has.
func TestKeyMixed(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "one", "b": "another", "pw": "pass\n", "long": strings.Repeat("x", 129)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mixed := func(password string) string {
		return string(tcrypt.Keyfiles([]byte(password), []byte("one"), []byte("another")))
	}
	for text, want := range map[string][]string{
		"sda,tcrypt-keyfile=DIR/a,tcrypt-keyfile=DIR/b:key:pass":    {mixed("pass")},
		"sda,tcrypt-keyfile=DIR/b,tcrypt-keyfile=DIR/a:file:DIR/pw": {mixed("pass"), mixed("pass\n")},
		"sda,tcrypt-keyfile=DIR/a:file:DIR/long":                    nil,
		"sda,tcrypt-keyfile=DIR/none:key:pass":                      nil,
	} {
		k, err := parseKey(strings.ReplaceAll(text, "DIR", dir))
		if err != nil {
			t.Fatal(text, err)
		}
		secrets, err := k.secrets()
		var got []string
		for _, s := range secrets {
			got = append(got, string(s))
		}
		if err == nil == (want == nil) || err == nil && !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the key is in %v", text, err)
		}
	}
}

// Of a folder, the startup keys of BitLocker are taken, and no other file.
func TestStartupKeys(t *testing.T) {
	dir := t.TempDir()
	k := keySpec{kind: "startup", value: dir}
	if _, err := k.secrets(); err == nil || !strings.Contains(err.Error(), "no startup key") {
		t.Error(err)
	}
	for _, name := range []string{"A.BEK", "b.bek", "c.txt", "BEK"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d.BEK"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := k.secrets(); err != nil || fmt.Sprintf("%s", got) != "[A.BEK b.bek]" {
		t.Errorf("%s, %v", got, err)
	}
	k = keySpec{kind: "startup", value: filepath.Join(dir, "c.txt")}
	if got, err := k.secrets(); err != nil || fmt.Sprintf("%s", got) != "[c.txt]" {
		t.Errorf("%s, %v", got, err)
	}
}

// A key file that is a pipe is read once, and is there for each device and each attempt.
func TestKeyPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(path, []byte("--secret\n"), 0o600)
	var f flagSet
	var k keys
	k.options(&f)
	if _, err := f.parse([]string{"--key", "all,keyfile-offset=2:file:" + path}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		key, err := k.key(&unboot.Device{Name: "/dev/sda", Content: &probe.Info{Type: "crypto_LUKS"}}, 0)
		if err != nil || string(key.Secret) != "secret\n" {
			t.Fatalf("%q, %v", key.Secret, err)
		}
		key.Wipe()
	}
}
