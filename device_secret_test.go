package unboot_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// shown prints a value in every way that a program or a log might.
func shown(v any) string {
	text := fmt.Sprintf("%v %+v %#v\n", v, v, v)
	if data, err := json.Marshal(v); err == nil {
		text += string(data) + "\n"
	}
	return text
}

// exported is all that can be printed of an image.
func exported(img *unboot.Image, errs ...error) string {
	text := shown(img) + shown(img.Disks()) + shown(img.Problems())
	volumeText := func(v *volume.Volume) string {
		if v == nil {
			return ""
		}
		return shown(*v) + shown(v.Table) + shown(v.Info) + shown(v.On())
	}
	for _, d := range img.Devices() {
		text += shown(d) + volumeText(d.Volume) + shown(d.Content) + img.Hint(d)
		if d.Locked != nil {
			text += shown(*d.Locked)
		}
	}
	for _, v := range img.Inactive() {
		text += shown(v) + volumeText(v.Volume)
	}
	for _, err := range errs {
		text += shown(err)
	}
	return text + img.Kernel().Dmesg()
}

// windows returns the memory that this process shares with kernels.
func windows(t *testing.T) (all []byte) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	rig.Check(t, "maps", err)
	mem := rig.Open(t, "/proc/self/mem", os.O_RDONLY)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if !strings.Contains(line, "memfd:") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		b := make([]byte, to-from)
		if n, err := mem.ReadAt(b, from); err == nil {
			all = append(all, b[:n]...)
		}
	}
	return all
}

// forms are those in which a key may be found.
func forms(secret []byte) map[string][]byte {
	digits := hex.EncodeToString(secret)
	return map[string][]byte{
		"bytes": secret, "hexadecimal": []byte(digits), "HEXADECIMAL": []byte(strings.ToUpper(digits)),
		"base64": []byte(strings.TrimRight(base64.StdEncoding.EncodeToString(secret[:len(secret)/3*3]), "=")),
		"list":   []byte(strings.Trim(fmt.Sprint(secret), "[]")),
	}
}

// A key is in no error, no value that can be printed, and no line of the kernel's log; nor is
// it left in the memory that is shared with the kernel, of which its crash would tell.
func TestKeysDoNotLeak(t *testing.T) {
	type locked struct {
		disks  []string
		device string
		key    volume.Key
	}
	cases := map[string]func(t *testing.T) locked{}
	for _, name := range []string{"luks1", "luks2-pbkdf2", "luks2-default", "crypt-plain"} {
		cases[name] = func(t *testing.T) locked {
			key, _ := fixtureKey(t, name, "/dev/sda")
			return locked{testvol.Unpack(t, name), "/dev/sda", key}
		}
	}
	cases["bitlocker"] = func(t *testing.T) locked {
		return locked{[]string{filepath.Join(testimg.SourceArchive(t, "cryptsetup", "bitlk-images"), "bitlk-aes-xts-128.img")}, "/dev/sda", phrase("anaconda")}
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			c := prepare(t)
			unlock := func(img *unboot.Image, key volume.Key) error {
				key.Secret = bytes.Clone(key.Secret)
				return img.Unlock(nowDevice(t, img, c.device), key)
			}
			// The kernel itself says what the key of the data is.
			img := openDisks(t, c.disks)
			rig.Check(t, "unlock", unlock(img, c.key))
			crypt := nowDevice(t, img, c.device).Children()[0]
			control, err := dm.Open(img.Kernel())
			rig.Check(t, "control", err)
			lines, err := control.Table(crypt.Volume.Name)
			rig.Check(t, "table", err)
			rig.Check(t, "close", control.Close())
			i := strings.Index(lines[0], "aes-")
			data, err := hex.DecodeString(strings.Fields(lines[0][i:])[1])
			rig.Check(t, "key", err)
			rig.Check(t, "close", img.Close())
			if len(data) < 16 {
				t.Fatalf("a key of %d bytes", len(data))
			}

			var mu sync.Mutex
			var log strings.Builder
			img = openDisks(t, c.disks, unboot.Log(func(line string) {
				mu.Lock()
				defer mu.Unlock()
				log.WriteString(line + "\n")
			}))
			wrong := phrase("quite another passphrase 4711")
			wrong.Params = c.key.Params
			var errs []error
			if name != "crypt-plain" { // which any key opens
				err := unlock(img, wrong)
				if err == nil {
					t.Error("a wrong key opens it")
				}
				errs = append(errs, err)
			}
			rig.Check(t, "unlock", unlock(img, c.key))
			errs = append(errs, unlock(img, c.key))
			text := exported(img, errs...)
			window := windows(t)
			if len(window) == 0 {
				t.Error("there is no shared memory")
			}
			rig.Check(t, "close", img.Close())
			mu.Lock()
			text += log.String()
			mu.Unlock()
			for what, secret := range map[string][]byte{"passphrase": c.key.Secret, "wrong passphrase": wrong.Secret, "key of the data": data} {
				for form, b := range forms(secret) {
					if len(b) > 8 && strings.Contains(text, string(b)) {
						i := strings.Index(text, string(b))
						t.Errorf("the %s is printed (%s): %q", what, form, text[max(0, i-80):i])
					}
					if len(b) > 8 && bytes.Contains(window, b) {
						t.Errorf("the %s is in the shared memory (%s)", what, form)
					}
				}
			}
		})
	}
}
