package luks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume"
)

// ring is a Keyring of keys that are known.
type ring []volume.Key

func (r ring) Keys(*volume.Member, *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		for _, k := range r {
			k.Secret = slices.Clone(k.Secret)
			if !yield(k, nil) {
				return
			}
		}
	}
}

func passphrase(s string) volume.Key { return volume.Key{Kind: volume.Passphrase, Secret: []byte(s)} }

// member is an image as a device.
func member(t testing.TB, image string) *volume.Member {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &volume.Member{R: f, Size: st.Size(), SectorSize: 512, Name: "/dev/sda"}
}

func openWith(t testing.TB, m *volume.Member, keys ...volume.Key) []*volume.Volume {
	t.Helper()
	return Type.Open(t.Context(), []*volume.Member{m}, &volume.Env{Keys: ring(keys), Decrypt: decrypt})
}

// unlocked returns the volume that a key opens.
func unlocked(t testing.TB, m *volume.Member, keys ...volume.Key) *volume.Volume {
	t.Helper()
	list := openWith(t, m, keys...)
	if len(list) == 0 {
		t.Fatalf("no volume; %q", m.Problems)
	}
	v := list[len(list)-1]
	if !v.Usable() {
		t.Fatalf("not open: %+v, %q", v.Locked, v.Problems)
	}
	return v
}

func line(v *volume.Volume, i int) string {
	return v.Table[i].Line(func(b volume.Base) string {
		if _, ok := b.(*volume.Volume); ok {
			return "252:0"
		}
		return "8:0"
	})
}

// plain returns data of an open volume.
func plain(t testing.TB, v *volume.Volume, off, n int64) []byte {
	t.Helper()
	s := v.Info.(*Header).Segments[0]
	b := make([]byte, n)
	if _, err := v.Table[0].Devices[0].(*volume.Member).R.ReadAt(b, s.Offset+off); err != nil {
		t.Fatal(err)
	}
	if nullCipher(s.Encryption) {
		return b
	}
	if err := decrypt(s.Encryption, v.Table[0].Key, uint64(off/512)+s.IVTweak, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// format makes an image by cryptsetup, with the passphrase "secret".
func format(t testing.TB, size int64, args ...string) string {
	t.Helper()
	testimg.Need(t, "cryptsetup")
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	cryptsetup(t, "secret", append([]string{"luksFormat", "-q", "--key-file=-", image}, args...)...)
	return image
}

// quick are derivations that take no time.
var (
	quick      = []string{"--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"}
	memoryHard = []string{"--pbkdf=argon2id", "--pbkdf-force-iterations=4", "--pbkdf-memory=64", "--pbkdf-parallel=2"}
)

func cryptsetup(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := tryCryptsetup(t, stdin, args...)
	if err != nil {
		t.Fatalf("cryptsetup %q: %v", args, err)
	}
	return out
}

func tryCryptsetup(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	path, err := testimg.Tool("cryptsetup")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader([]byte(stdin))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %.200s", err, stderr.String())
	}
	return string(out), err
}

// TestTables: the tables are those of `dmsetup table` for what cryptsetup has formatted.
func TestTables(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"luks1", []string{"--type=luks1", "--cipher=aes-cbc-essiv:sha256", "--key-size=256", "--hash=sha1"},
			"0 28672 crypt aes-cbc-essiv:sha256 " + zeros(32) + " 0 8:0 4096"},
		{"luks2", []string{"--type=luks2"}, "0 512 crypt aes-xts-plain64 " + zeros(64) + " 0 8:0 32256"},
		{"sectors", []string{"--type=luks2", "--sector-size=4096"},
			"0 512 crypt aes-xts-plain64 " + zeros(64) + " 0 8:0 32256 1 sector_size:4096"},
		{"essiv", []string{"--type=luks2", "--cipher=aes-cbc-essiv:sha256", "--key-size=128"},
			"0 512 crypt aes-cbc-essiv:sha256 " + zeros(16) + " 0 8:0 32256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append(c.args, quick...)
			if c.name != "luks1" {
				args = append(args, "--offset=32256")
			}
			image := format(t, 16<<20, args...)
			v := unlocked(t, member(t, image), passphrase("wrong"), passphrase("secret"))
			if got := line(v, 0); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if key := dumpKey(t, image, "secret"); !bytes.Equal(v.Table[0].Key, key) {
				t.Error("the key is not that of cryptsetup")
			}
		})
	}
}

func zeros(n int) string { return string(bytes.Repeat([]byte("0"), 2*n)) }

// dumpKey returns the volume key that cryptsetup finds.
func dumpKey(t *testing.T, image, secret string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	cryptsetup(t, secret, append([]string{"luksDump", "-q", "--dump-volume-key", "--key-file=-", "--volume-key-file=" + file, image}, args...)...)
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestDerivations: each derivation and hash leads to the key that cryptsetup has.
func TestDerivations(t *testing.T) {
	for _, hash := range []string{"sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512",
		"ripemd160", "whirlpool", "blake2b-256", "blake2b-384", "blake2b-512", "blake2s-256"} {
		t.Run(hash, func(t *testing.T) {
			testimg.Need(t, "cryptsetup")
			image := filepath.Join(t.TempDir(), "image")
			os.WriteFile(image, make([]byte, 4<<20), 0o600)
			_, err := tryCryptsetup(t, "secret", "luksFormat", "-q", "--key-file=-", image, "--type=luks1", "--pbkdf-force-iterations=1000", "--hash="+hash)
			if err != nil {
				t.Skip("cryptsetup of this host: ", err)
			}
			v := unlocked(t, member(t, image), passphrase("secret"))
			if !bytes.Equal(v.Table[0].Key, dumpKey(t, image, "secret")) {
				t.Error("another key than cryptsetup has")
			}
		})
	}
	for _, kdf := range []string{"argon2i", "argon2id"} {
		t.Run(kdf, func(t *testing.T) {
			image := format(t, 20<<20, append(memoryHard, "--pbkdf="+kdf)...)
			v := unlocked(t, member(t, image), passphrase("secret"))
			if !bytes.Equal(v.Table[0].Key, dumpKey(t, image, "secret")) {
				t.Error("another key than cryptsetup has")
			}
		})
	}
}

// TestSlots: all slots are tried, in the order of their priorities; a volume key opens as
// well; a slot can be named.
func TestSlots(t *testing.T) {
	image := format(t, 20<<20, quick...)
	second := filepath.Join(t.TempDir(), "second")
	os.WriteFile(second, []byte("two"), 0o600)
	cryptsetup(t, "secret", append([]string{"luksAddKey", "-q", "--key-file=-", image, second}, memoryHard...)...)
	cryptsetup(t, "", "config", "--priority=prefer", "--key-slot=1", image)
	m := member(t, image)

	locked := Type.Open(t.Context(), []*volume.Member{m}, &volume.Env{})[0]
	var ids []string
	for _, s := range locked.Locked.Slots {
		ids = append(ids, s.ID+": "+s.Descr)
	}
	if want := []string{"1: argon2id, 64 KiB, 4 passes", "0: PBKDF2-sha256, 1000 iterations"}; !slices.Equal(ids, want) {
		t.Errorf("%q, want %q", ids, want)
	}
	if locked.Usable() || !slices.Equal(locked.On(), []volume.Base{m}) {
		t.Errorf("without a key: %+v", locked)
	}

	key := unlocked(t, m, passphrase("two")).Table[0].Key
	for name, k := range map[string]volume.Key{
		"first":  passphrase("secret"),
		"volume": {Kind: volume.VolumeKey, Secret: key},
		"named":  {Kind: volume.Passphrase, Secret: []byte("two"), Params: map[string]string{"key-slot": "1"}},
	} {
		if v := unlocked(t, m, k); !bytes.Equal(v.Table[0].Key, key) {
			t.Errorf("%s: another key", name)
		}
	}
	for name, k := range map[string]volume.Key{
		"wrong":       passphrase("secret "),
		"empty":       passphrase(""),
		"wrong key":   {Kind: volume.VolumeKey, Secret: make([]byte, len(key))},
		"long key":    {Kind: volume.VolumeKey, Secret: append(slices.Clone(key), 0)},
		"short key":   {Kind: volume.VolumeKey, Secret: key[:32]},
		"wrong named": {Kind: volume.Passphrase, Secret: []byte("two"), Params: map[string]string{"key-slot": "0"}},
		"no slot":     {Kind: volume.Passphrase, Secret: []byte("two"), Params: map[string]string{"key-slot": "7"}},
	} {
		if v := openWith(t, m, k)[0]; v.Usable() || v.Locked == nil || v.Locked.Tried != 1 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	cryptsetup(t, "", "config", "--priority=ignore", "--key-slot=1", image)
	if v := openWith(t, m, passphrase("two"))[0]; v.Usable() {
		t.Error("a slot that is to be ignored opens")
	}
}

// TestContext: a derivation ends with the context.
func TestContext(t *testing.T) {
	image := format(t, 20<<20, quick...)
	ctx, cancel := context.WithCancelCause(t.Context())
	m := member(t, image)
	env := &volume.Env{Decrypt: decrypt, Keys: ring{passphrase("secret")}}
	env.Decrypt = func(name string, key []byte, sector uint64, data []byte) error {
		cancel(os.ErrDeadlineExceeded)
		return decrypt(name, key, sector, data)
	}
	defer func() {
		env.Keys = ring{{Kind: volume.VolumeKey, Secret: make([]byte, 64)}}
		h, err := ReadHeader(m.R, m.Size)
		if err != nil {
			t.Fatal(err)
		}
		o := opening{ctx: ctx, env: env, header: h, area: m, data: m}
		if key, lock := o.search(); key != nil || !errors.Is(lock.Err, os.ErrDeadlineExceeded) {
			t.Errorf("a volume key that was not compared: %+v", lock)
		}
	}()
	if v := Type.Open(ctx, []*volume.Member{m}, env)[0]; v.Usable() || !errors.Is(v.Locked.Err, os.ErrDeadlineExceeded) {
		t.Errorf("%+v", v.Locked)
	}
	for _, k := range []KDF{
		{Type: "pbkdf2", Hash: "sha256", Iterations: MaxIterations, Salt: make([]byte, 32)},
		{Type: "argon2id", Time: 1, Memory: 1024, CPUs: 1, Salt: make([]byte, 32)},
	} {
		if key, err := k.derive(ctx, []byte("secret"), 32); key != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			// Argon2 on little memory may be faster than the look at the context.
			if k.Type == "pbkdf2" || err != nil {
				t.Errorf("%s: %v", k.Type, err)
			}
		}
	}
}
