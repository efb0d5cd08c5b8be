package luks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// corpus unpacks the tests of cryptsetup's source, and the archives of images in them.
func corpus(t *testing.T) string {
	t.Helper()
	testimg.Need(t, "tar", "xz", "cryptsetup")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "cryptsetup"), "-C", dir, "--strip-components=2", "--wildcards", "*/tests/*")
	for _, name := range []string{"luks1-images", "luks2_mda_images", "luks2_header_requirements", "conversion_imgs"} {
		testimg.MustRun(t, "tar", "-xf", dir+"/"+name+".tar.xz", "-C", dir)
	}
	packed, err := filepath.Glob(dir + "/*.xz")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packed {
		if !strings.HasSuffix(p, ".tar.xz") {
			testimg.MustRun(t, "xz", "-dk", p)
		}
	}
	return dir
}

// TestCorpus: of each of cryptsetup's own images, the header is read or refused as
// cryptsetup does it, and has the same values; each passphrase of its tests leads to the
// same volume key. The one that has the signature of LVM in front of a second header is not
// among them: package probe decides what that is.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	keyfile, err := os.ReadFile(dir + "/luks1-images/keyfile1")
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{string(keyfile), "compatkey", "blablabl", "albalbal"}
	images := 0
	for _, pattern := range []string{"luks1-images/*.img", "compat*.img", "luks2_*", "evil_hdr-*", "test_image_*", "conversion_imgs/*", "valid_header_file"} {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range list {
			if strings.HasSuffix(image, ".xz") {
				continue
			}
			images++
			t.Run(filepath.Base(image), func(t *testing.T) { compare(t, image, secrets) })
		}
	}
	if images < 45 {
		t.Errorf("only %d images", images)
	}
}

// compare holds what this package finds in an image against cryptsetup.
func compare(t *testing.T, image string, secrets []string) {
	m := member(t, image)
	h, err := ReadHeader(m.R, m.Size)
	// cryptsetup repairs what it reads.
	copied := filepath.Join(t.TempDir(), "image")
	if err := testimg.Copy(image, copied); err != nil {
		t.Fatal(err)
	}
	dump, dumpErr := tryCryptsetup(t, "", "luksDump", copied)
	if (err == nil) != (dumpErr == nil) {
		t.Fatalf("%v; cryptsetup: %v", err, dumpErr)
	}
	if err != nil {
		t.Log(err)
		return
	}
	if h.Version == 2 {
		compareJSON(t, h, copied)
	} else {
		compareDump(t, h, dump)
	}
	// Most of the images are headers alone, so only the key is looked for.
	o := opening{ctx: t.Context(), env: &volume.Env{Decrypt: decrypt}, header: h, area: m, data: m}
	for _, secret := range secrets {
		key, err := o.try(passphrase(secret))
		if errors.Is(err, unix.ENOENT) {
			t.Log(err) // Only the kernel has that cipher.
			break
		}
		_, dumpErr := tryCryptsetup(t, secret, "open", "--test-passphrase", "--key-file=-", copied)
		switch {
		case dumpErr != nil && strings.Contains(dumpErr.Error(), "device-mapper"):
			t.Log("it has a cipher for which cryptsetup needs its kernel")
		case (key != nil) != (dumpErr == nil):
			t.Errorf("open: %v, cryptsetup: %v", err, dumpErr)
		case key != nil && !bytes.Equal(key, dumpKey(t, copied, secret)):
			t.Error("another key than cryptsetup has")
		}
		if key != nil && strings.HasPrefix(filepath.Base(image), "luks1_") {
			checkFAT(t, unlocked(t, m, passphrase(secret)))
		}
	}
}

// checkFAT looks for the file system that the images of version 1 have.
func checkFAT(t *testing.T, v *volume.Volume) {
	t.Helper()
	boot := plain(t, v, 0, 512)
	if !bytes.Contains(boot, []byte("\xbe\xba\xad\xde")) || string(boot[510:]) != "\x55\xaa" {
		t.Errorf("%s: no file system in it", v.Table[0].Params)
	}
}

// compareDump compares a header of version 1 with what luksDump prints.
func compareDump(t *testing.T, h *Header, dump string) {
	t.Helper()
	values := map[string]string{}
	enabled := 0
	for line := range strings.Lines(dump) {
		if name, value, ok := strings.Cut(line, ":"); ok && values[name] == "" {
			values[name] = strings.TrimSpace(value)
		}
		if strings.HasPrefix(line, "Key Slot") && strings.Contains(line, "ENABLED") {
			enabled++
		}
	}
	digest := h.Digests[0]
	for _, c := range []struct{ name, got string }{
		{"Version", fmt.Sprint(h.Version)},
		{"Cipher name", strings.SplitN(h.Cipher, "-", 2)[0]},
		{"Cipher mode", strings.SplitN(h.Cipher, "-", 2)[1]},
		{"Hash spec", digest.Hash},
		{"Payload offset", fmt.Sprint(h.Segments[0].Offset / 512)},
		{"MK bits", fmt.Sprint(h.KeySize * 8)},
		{"MK iterations", fmt.Sprint(digest.Iterations)},
		{"UUID", h.UUID},
	} {
		if values[c.name] != c.got {
			t.Errorf("%s %q, cryptsetup: %q", c.name, c.got, values[c.name])
		}
	}
	if len(h.Keyslots) != enabled {
		t.Errorf("%d key slots, cryptsetup: %d", len(h.Keyslots), enabled)
	}
}

// compareJSON compares a header of version 2 with what cryptsetup says of it.
func compareJSON(t *testing.T, h *Header, image string) {
	t.Helper()
	var want struct {
		Keyslots map[string]struct {
			Type    string
			KeySize int `json:"key_size"`
			KDF     struct {
				Type, Hash                     string
				Iterations, Time, Memory, CPUs int64
			}
			Area struct{ Encryption, Offset, Size string }
		}
		Segments map[string]struct {
			Type, Encryption, Offset, Size string
			Tweak                          string `json:"iv_tweak"`
			SectorSize                     int    `json:"sector_size"`
		}
		Tokens, Digests map[string]struct {
			Type               string
			Keyslots, Segments []string
		}
		Config struct {
			Flags        []string
			Requirements struct{ Mandatory []string }
		}
	}
	if err := json.Unmarshal([]byte(cryptsetup(t, "", "luksDump", "--dump-json-metadata", image)), &want); err != nil {
		t.Fatal(err)
	}
	equal := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, cryptsetup: %v", what, got, want)
		}
	}
	equal("key slots", len(h.Keyslots), len(want.Keyslots))
	for _, k := range h.Keyslots {
		w := want.Keyslots[strconv.Itoa(k.ID)]
		if k.KDF.words() == k.KDF.Type {
			w.KDF.Time, w.KDF.Memory, w.KDF.CPUs = 0, 0, 0 // of a derivation that is not known
		}
		equal("key slot", []any{k.Type, k.KeySize, k.KDF.Type, k.KDF.Hash, k.KDF.Iterations, k.KDF.Time, k.KDF.Memory, k.KDF.CPUs, k.Area.Encryption, k.Area.Offset, k.Area.Size},
			[]any{w.Type, w.KeySize, w.KDF.Type, w.KDF.Hash, w.KDF.Iterations, w.KDF.Time, w.KDF.Memory, w.KDF.CPUs, w.Area.Encryption, w.Area.Offset, w.Area.Size})
	}
	equal("segments", len(h.Segments), len(want.Segments))
	for _, s := range h.Segments {
		w := want.Segments[strconv.Itoa(s.ID)]
		size := "dynamic"
		if s.Size >= 0 {
			size = fmt.Sprint(s.Size)
		}
		if s.Type == "crypt" {
			equal("segment", []any{s.Encryption, s.IVTweak, s.SectorSize}, []any{w.Encryption, w.Tweak, w.SectorSize})
		}
		equal("segment", []any{s.Type, s.Offset, size}, []any{w.Type, w.Offset, w.Size})
	}
	equal("tokens", len(h.Tokens), len(want.Tokens))
	for _, k := range h.Tokens {
		w := want.Tokens[strconv.Itoa(k.ID)]
		equal("token", []any{k.Type, k.Keyslots}, []any{w.Type, w.Keyslots})
	}
	equal("digests", len(h.Digests), len(want.Digests))
	for _, d := range h.Digests {
		w := want.Digests[strconv.Itoa(d.ID)]
		equal("digest", []any{d.Type, d.Keyslots, d.Segments}, []any{w.Type, w.Keyslots, w.Segments})
	}
	equal("flags", h.Flags, want.Config.Flags)
	equal("requirements", h.Requirements, want.Config.Requirements.Mandatory)
}

// TestGenerators: headers that cryptsetup's scripts have made wrong, each in one point, are
// read or refused as its test expects it.
func TestGenerators(t *testing.T) {
	if testing.Short() {
		t.Skip("eighty scripts")
	}
	testimg.Need(t, "jq")
	dir := corpus(t)
	script, err := os.ReadFile(dir + "/luks2-validation-test")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(script)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "RUN" {
			continue
		}
		n++
		t.Run(f[1], func(t *testing.T) {
			out := t.TempDir()
			cmd := exec.Command("./generate-"+f[1]+".sh", out, dir+"/luks2_valid_hdr.img")
			cmd.Dir = dir + "/generators"
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Skipf("the script: %v: %.300s", err, text)
			}
			m := member(t, filepath.Join(out, f[1]))
			_, err := ReadHeader(m.R, m.Size)
			if want := f[2] == `"R"`; (err == nil) != want {
				t.Errorf("%v, cryptsetup's test: %s", err, strings.TrimSpace(line))
			}
			if err != nil && (strings.Contains(err.Error(), "%!") || len(err.Error()) > 300) {
				t.Errorf("%v", err)
			}
			volumes := openWith(t, m, passphrase("x"))
			if err == nil && len(volumes) == 0 || err != nil && !slices.ContainsFunc(m.Problems, func(s string) bool { return strings.HasPrefix(s, "/dev/sda: LUKS2") }) {
				t.Errorf("%d volumes, %q", len(volumes), m.Problems)
			}
		})
	}
	if n < 70 {
		t.Errorf("only %d images", n)
	}
}

// TestFieldImages: images of others.
func TestFieldImages(t *testing.T) {
	const files = "../../../shared/cases/files"
	for _, c := range []struct {
		name, sum string
		slow      bool
	}{
		{"fox-it.dissect.fve-sha1.bin", "9a62d6c7", false},
		{"fox-it.dissect.fve-aes-ecb.bin", "9a62d6c7", true},
		{"fox-it.dissect.fve-aes-ecb-pbkdf2.bin", "9a62d6c7", false},
		{"fox-it.dissect.fve-aes-xts-plain64.bin", "9a62d6c7", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !testimg.Thorough() {
				t.Skip("UNBOOT_TEST_ALL is not set: the same derivation as another's, with 1 GiB")
			}
			packed := filepath.Join(files, c.name+".xz")
			if _, err := os.Stat(packed); err != nil {
				t.Skip("not beside this checkout: ", err)
			}
			image := filepath.Join(t.TempDir(), "image")
			testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" >"+image)
			v := unlocked(t, member(t, image), passphrase("password"))
			if got := fmt.Sprintf("%x", hash256(plain(t, v, 0, v.Size)))[:8]; got != c.sum {
				t.Errorf("%d bytes with the sum %s, want %s", v.Size, got, c.sum)
			}
		})
	}
}

func hash256(b []byte) []byte {
	h := hashes["sha256"]()
	h.Write(b)
	return h.Sum(nil)
}
