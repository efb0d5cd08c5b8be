package bitlocker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/testdm"
)

// unlocked opens an image with one key, and returns its volumes.
func unlocked(t *testing.T, path string, keys ...volume.Key) []*volume.Volume {
	t.Helper()
	m := testdm.Member(t, path)
	list := Type.Open(context.Background(), []*volume.Member{m}, &volume.Env{
		Keys: &testdm.Keys{List: keys}, Decrypt: testdm.Decrypt,
	})
	for _, p := range m.Problems {
		t.Error(p)
	}
	return list
}

func password(s string) volume.Key {
	return volume.Key{Kind: volume.Passphrase, Secret: []byte(s)}
}

// The images of dissect.fve, one for each method. Its test has the keys of the data.
func TestMethods(t *testing.T) {
	for name, key := range map[string]string{
		"aes_128":          "84c3a3157e5f21dee140005220bc940e",
		"aes_256":          "dd3885ef9948c8dc6ad1b54a6c4a4b6fb74b44d1d9775ac7ed186c35f1b59022",
		"aes_128_diffuser": "10730f695df62a49cd3aa1b1c9ae3edf268af0e0613921085edc89e1b804de35",
		"aes_256_diffuser": "3a600625f8fd5cc506cf8b30c8ca0600cc32f0c6b54c140789f7518c4fb5c71ba272f34f1a920d5be247298b5d233ce6199023c24d0aefec28717232f9894d1f",
		"aes-xts_128":      "4eb949c473f0edfc379ad041670ddb9c4da0abdb4482a2c8bb47250493aa1ed5",
		"aes-xts_256":      "c74002df41f5eadeee2549fc009233a2a510726ce08736aba2f84a52ac6e7bbc56b8a824a4dc26cf9c4c2926386319d17427998e045ebfdc789e328e0dc97da4",
	} {
		t.Run(name, func(t *testing.T) {
			path := testdm.Unxz(t, "fox-it.dissect.fve-"+name+".bin")
			list := unlocked(t, path, password("password12!@"))
			if len(list) != 1 || !list[0].Usable() {
				t.Fatalf("not open: %+v", list)
			}
			v := list[0]
			if got := hex.EncodeToString(v.Table[0].Key); got != key {
				t.Errorf("key %s, not %s", got, key)
			}
			checkNTFS(t, v)
			// The key of the data opens it as well, and is checked.
			data, _ := hex.DecodeString(key)
			given := volume.Key{Kind: volume.VolumeKey, Secret: data}
			wrong := volume.Key{Kind: volume.VolumeKey, Secret: bytes.Repeat([]byte{7}, len(data))}
			if list := unlocked(t, path, wrong, given); !list[0].Usable() || hex.EncodeToString(list[0].Table[0].Key) != key {
				t.Error("the volume's key does not open it")
			}
			if list := unlocked(t, path, wrong); list[0].Usable() {
				t.Error("any key is taken for the volume's")
			}
		})
	}
}

// checkNTFS looks at the boot sector, and at the first record of the mirror of the MFT, which
// is past the sectors that were moved. (Of the MFT itself the images have nothing.)
func checkNTFS(t *testing.T, v *volume.Volume) {
	t.Helper()
	boot, err := testdm.Read(v, 0, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if string(boot[3:11]) != "NTFS    " {
		t.Fatalf("no NTFS: %x", boot[:16])
	}
	mft := int64(le64(boot[56:])) * int64(le16(boot[11:])) * int64(boot[13])
	record, err := testdm.Read(v, mft, 4096)
	if err != nil || string(record[:4]) != "FILE" {
		t.Errorf("no mirror of the MFT at %d: %x, %v", mft, record[:4], err)
	}
}

// conf returns the sections of cryptsetup's images.conf.
func conf(t *testing.T, path string) map[string]map[string]string {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	var section map[string]string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = map[string]string{}
			all[strings.TrimSuffix(name, "]")+".img"] = section
		} else if key, value, ok := strings.Cut(line, "="); ok {
			section[key] = value
		}
	}
	return all
}

// cryptsetup's images, with what its images.conf says of them: the identifiers, and the hash
// of the volume by each of the keys.
func TestCryptsetup(t *testing.T) {
	dir := testimg.SourceArchive(t, "cryptsetup", "bitlk-images")
	images := conf(t, filepath.Join(dir, "images.conf"))
	if len(images) < 12 {
		t.Fatalf("only %d images", len(images))
	}
	for name, want := range images {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			keys := map[string]volume.Key{}
			for field, kind := range map[string]volume.KeyKind{
				"PW": volume.Passphrase, "RP": volume.Recovery, "RP2": volume.Recovery, "SK": volume.StartupKey,
			} {
				secret := []byte(want[field])
				if field == "SK" && want[field] != "" {
					var err error
					if secret, err = os.ReadFile(filepath.Join(dir, want[field])); err != nil {
						t.Fatal(err)
					}
				}
				if len(secret) > 0 {
					keys[field] = volume.Key{Kind: kind, Secret: secret}
				}
			}
			if len(keys) == 0 || strings.Contains(name, "clearkey") {
				keys = map[string]volume.Key{"none": {}}
			}
			var first []byte
			for field, key := range keys {
				list := unlocked(t, path, key)
				v := list[len(list)-1]
				h := v.Info.(*Header)
				if h.UUID != want["GUID"] || !strings.HasPrefix(h.Method.String(), want["CIPHER"]) {
					t.Errorf("it is %+v", h)
				}
				if id := want[field+"_VMK_GUID"]; !slices.ContainsFunc(h.Protectors, func(p Protector) bool { return id == "" || p.UUID == id }) {
					t.Errorf("%s: no protector %s in %+v", field, id, h.Protectors)
				}
				if want["SHA256SUM"] == "" && len(v.Problems) > 0 {
					// cryptsetup itself only describes these: they have no data, and one that is
					// encrypted as it is written to has no bitmap either.
					t.Skipf("not to be opened: %v", v.Problems)
				}
				if !v.Usable() {
					t.Fatalf("%s: not open: %v %+v", field, v.Problems, v.Locked)
				}
				if want["SHA256SUM"] == "" {
					checkNTFS(t, v)
					return
				}
				if got := v.Table[0].Key; first == nil {
					first = got
					checkHash(t, v, want["SHA256SUM"])
				} else if !bytes.Equal(got, first) {
					t.Errorf("%s leads to another key of the data", field)
				}
			}
		})
	}
}

// checkHash compares the content of a volume with a hash.
func checkHash(t *testing.T, v *volume.Volume, want string) {
	t.Helper()
	sum := sha256.New()
	if err := testdm.Copy(sum, v); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("%s has the hash %s, not %s", v.Name, got, want)
	}
}
