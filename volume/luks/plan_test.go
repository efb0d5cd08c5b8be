package luks

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/pbkdf2"
)

// planned returns what becomes of an image whose key is known.
func planned(t *testing.T, b []byte) []*volume.Volume {
	t.Helper()
	m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), SectorSize: 512, Name: "/dev/sda"}
	h, err := ReadHeader(m.R, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	// A digest of a key of zeros, and one slot whose area is all zeros once it is decrypted.
	key := make([]byte, 32)
	d := &h.Digests[0]
	if d.Digest, err = pbkdf2.Key(t.Context(), hashes["sha256"], key, d.Salt, 1, 32); err != nil {
		t.Fatal(err)
	}
	env := &volume.Env{Keys: ring{{Kind: volume.VolumeKey, Secret: key}}}
	o := opening{ctx: t.Context(), env: env, header: h, area: m, data: m}
	return o.volumes()
}

// superblock is that of dm-integrity, of 100 sectors.
func superblock(b []byte, tag int) []byte {
	copy(b[163840:], "integrt\x00\x04\x0f")
	binary.LittleEndian.PutUint16(b[163840+10:], uint16(tag))
	binary.LittleEndian.PutUint64(b[163840+16:], 100)
	return b
}

// TestPlans: the names and tables of what only the header decides. The algorithms are those
// that the manual of cryptsetup-luksFormat has as examples; the tables follow dm-crypt's
// documentation.
func TestPlans(t *testing.T) {
	integrity := func(kind string) string {
		return `,"integrity":{"type":"` + kind + `","journal_encryption":"none","journal_integrity":"none"}`
	}
	const key = "0000000000000000000000000000000000000000000000000000000000000000"
	for _, c := range []struct {
		name, cipher, segment, config string
		tag                           int
		want                          []string
	}{
		{"plain", "", "", "", 0, []string{"0 1728 crypt aes-xts-plain64 " + key + " 0 8:0 320"}},
		{"flags", "", "", `,"flags":["no-write-workqueue","allow-discards","same-cpu-crypt","no-read-workqueue","unknown","high_priority"]`, 0,
			[]string{"0 1728 crypt aes-xts-plain64 " + key + " 0 8:0 320 5 allow_discards same_cpu_crypt high_priority no_read_workqueue no_write_workqueue"}},
		{"hmac", "", integrity("hmac(sha256)"), `,"flags":["allow-discards"]`, 32,
			[]string{"0 100 integrity 8:0 320 32 J 1 block_size:512",
				"0 100 crypt capi:authenc(hmac(sha256),xts(aes))-plain64 " + key + " 0 252:0 0 1 integrity:32:aead"}},
		{"hmac random", "aes-xts-random", integrity("hmac(sha256)"), `,"flags":["no-journal"]`, 48,
			[]string{"0 100 integrity 8:0 320 48 D 1 block_size:512",
				"0 100 crypt capi:authenc(hmac(sha256),xts(aes))-random " + key + " 0 252:0 0 1 integrity:48:aead"}},
		{"aegis", "aegis128-random", integrity("aead"), "", 32,
			[]string{"0 100 integrity 8:0 320 32 J 1 block_size:512", "0 100 crypt capi:aegis128-random " + key + " 0 252:0 0 1 integrity:32:aead"}},
		{"chacha", "chacha20-random", integrity("poly1305"), "", 28,
			[]string{"0 100 integrity 8:0 320 28 J 1 block_size:512", "0 100 crypt capi:rfc7539(chacha20,poly1305)-random " + key + " 0 252:0 0 1 integrity:28:aead"}},
		{"gcm", "aes-gcm-random", integrity("aead"), "", 28,
			[]string{"0 100 integrity 8:0 320 28 J 1 block_size:512", "0 100 crypt capi:gcm(aes)-random " + key + " 0 252:0 0 1 integrity:28:aead"}},
		{"random", "aes-xts-random", integrity("none"), "", 16,
			[]string{"0 100 integrity 8:0 320 16 J 1 block_size:512", "0 100 crypt capi:xts(aes)-random " + key + " 0 252:0 0 1 integrity:16:none"}},
		{"null", "cipher_null-ecb", "", "", 0, []string{"0 1728 crypt cipher_null-ecb - 0 8:0 320"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := text2(kdf1, c.segment, c.config)
			if c.cipher != "" {
				text = strings.Replace(text, `"iv_tweak":"0","encryption":"aes-xts-plain64"`, `"iv_tweak":"0","encryption":"`+c.cipher+`"`, 1)
			}
			list := planned(t, superblock(image2(header2(text, false, 1), nil, 1<<20), c.tag))
			var got, names []string
			for _, v := range list {
				if !v.Usable() {
					t.Fatalf("%+v, %q", v.Locked, v.Problems)
				}
				got = append(got, line(v, 0))
				names = append(names, v.Name, v.UUID)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			want := []string{"luks-12a3a118-7039-4575-a649-3f559d8d87ee", "CRYPT-LUKS2-12a3a11870394575a6493f559d8d87ee-luks-12a3a118-7039-4575-a649-3f559d8d87ee"}
			if len(c.want) > 1 {
				want = slices.Insert(want, 0, want[0]+"_dif", strings.Replace(want[1], "LUKS2", "INTEGRITY", 1)+"_dif")
			}
			if !slices.Equal(names, want) {
				t.Errorf("%q, want %q", names, want)
			}
		})
	}
}

// TestRefused: what cannot be shown whatever the key is says why, and asks for no key.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"reencryption", `"keyslots_size":"131072"`, `"keyslots_size":"131072","requirements":{"mandatory":["online-reencrypt-v2"]}`, "encrypted anew"},
		{"offline", `"keyslots_size":"131072"`, `"keyslots_size":"131072","requirements":{"mandatory":["offline-reencrypt"]}`, "encrypted anew"},
		{"requirement", `"keyslots_size":"131072"`, `"keyslots_size":"131072","requirements":{"mandatory":["antigravity"]}`, "antigravity"},
		{"opal", `"0":{"type":"crypt"`, `"0":{"type":"hw-opal"`, "disk itself"},
		{"linear", `"0":{"type":"crypt"`, `"0":{"type":"linear"`, `"linear"`},
		{"two", `"size":"dynamic"`, `"size":"512"`, "2 segments"},
		{"truncated", `"offset":"163840"`, `"offset":"2097152"`, "truncated"},
		{"header", `"offset":"163840"`, `"offset":"0"`, "on another device"},
		{"size", `"size":"dynamic"`, `"size":"2097152"`, "reach to byte"},
		{"sectors", `"sector_size":512`, `"sector_size":1536`, "1536"},
		{"cipher", `"iv_tweak":"0","encryption":"aes-xts-plain64"`, `"iv_tweak":"0","encryption":"aes 0 8:1"`, "no cipher's name"},
		{"integrity", `"sector_size":512`, `"sector_size":512,"integrity":{"type":"md4","journal_encryption":"none","journal_integrity":"none"}`, `"md4"`},
		{"no superblock", `"sector_size":512`, `"sector_size":512,"integrity":{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"none"}`, "not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(text2(kdf1, "", ""), c.old, c.new, 1)
			if c.name == "two" {
				text = strings.Replace(text, `"segments":{`, `"segments":{"1":{"type":"some","offset":"164352","size":"dynamic"},`, 1)
			}
			list := planned(t, image2(header2(text, false, 1), nil, 1<<20))
			if len(list) != 1 || list[0].Usable() || list[0].Locked != nil || len(list[0].Problems) != 1 ||
				!strings.HasPrefix(list[0].Problems[0], "/dev/sda: ") || !strings.Contains(list[0].Problems[0], c.want) {
				t.Errorf("%+v", list[0])
			}
		})
	}
}

// TestBounds: a slot that asks for too much is listed with that and not tried.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ kdf, want string }{
		{`"type":"pbkdf2","hash":"sha256","iterations":4294967295`, "4294967295 iterations, more than"},
		{`"type":"argon2id","time":4,"memory":4194304,"cpus":4`, "4 GiB of memory, more than 1 GiB"},
		{`"type":"argon2id","time":4000000000,"memory":1024,"cpus":4`, "half a minute"},
		{`"type":"argon2id","time":4,"memory":1048576,"cpus":200`, "200 threads"},
		{`"type":"argon2id","time":0,"memory":1048576,"cpus":4`, "does not have"},
		{`"type":"pbkdf2","hash":"md5","iterations":1`, `"md5"`},
		{`"type":"scrypt"`, `"scrypt"`},
	} {
		b := image2(header2(text2(c.kdf, "", ""), false, 1), nil, 1<<20)
		m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda"}
		v := openWith(t, m, passphrase("x"))[0]
		if v.Locked == nil || v.Locked.Err == nil || v.Locked.Slots[0].Kind != "" || !strings.Contains(v.Locked.Slots[0].Descr, c.want) {
			t.Errorf("%s: %+v", c.kdf, v.Locked)
		}
	}
	// They are lifted only for those that ask for too much, not for what is wrong.
	k := KDF{Type: "argon2id", Time: 4, Memory: 4 << 20, CPUs: 4}
	if k.check(false) == nil || k.check(true) != nil {
		t.Error("the bound on memory")
	}
	if k.Time = 0; k.check(true) == nil {
		t.Error("no passes at all")
	}
}

// TestWork: many slots, of which none asks for too much, do not together either.
func TestWork(t *testing.T) {
	m := &volume.Member{R: bytes.NewReader(image2(header2(text2(kdf1, "", ""), false, 1), nil, 1<<20)), Size: 1 << 20, Name: "/dev/sda"}
	for _, c := range []struct {
		kdf   KDF
		slots int
		tried int
	}{
		{KDF{Type: "pbkdf2", Hash: "sha256", Iterations: MaxIterations}, 64, MaxWork - 1}, // as the digests cost something too
		{KDF{Type: "argon2id", Time: 32, Memory: MaxMemory, CPUs: 4}, 32, MaxWork - 1},
		{KDF{Type: "argon2id", Time: 7, Memory: MaxMemory, CPUs: 4}, 32, 32}, // what cryptsetup makes
		{KDF{Type: "pbkdf2", Hash: "sha512", Iterations: 2_000_000}, 32, 32},
		{KDF{Type: "pbkdf2", Hash: "sha1", Iterations: MaxIterations, CPUs: 1}, 2, 2},
	} {
		h, err := ReadHeader(m.R, m.Size)
		if err != nil {
			t.Fatal(err)
		}
		slot := h.Keyslots[0]
		h.Keyslots, h.Digests[0].Keyslots = nil, nil
		for i := range c.slots {
			c.kdf.Salt = slot.KDF.Salt
			slot.ID, slot.KDF = i, c.kdf
			h.Keyslots = append(h.Keyslots, slot)
			h.Digests[0].Keyslots = append(h.Digests[0].Keyslots, i)
		}
		for _, unbounded := range []bool{false, true} {
			want := c.tried
			if unbounded {
				want = c.slots
			}
			tried, named := 0, 0
			for _, s := range h.slots(unbounded) {
				if strings.HasPrefix(s.ID, "token") {
					continue
				}
				if strings.Contains(s.Descr, "only tried if it is named") {
					named++
				} else {
					tried++
				}
			}
			order, err := h.order(volume.Key{})
			if n := len(h.affordable(order, unbounded)); err != nil || n != want || tried != want || named != c.slots-want {
				t.Errorf("%+v, unbounded: %t: %d of %d slots are tried, %d listed so", c.kdf, unbounded, n, c.slots, tried)
			}
		}
		one, err := h.order(volume.Key{Params: map[string]string{"key-slot": "1"}})
		if err != nil || len(h.affordable(one, false)) != 1 {
			t.Error("a slot that is named:", err)
		}
	}
	// One slot alone can cost too much: a long key of a short hash has many blocks.
	h, err := ReadHeader(m.R, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	k := &h.Keyslots[0]
	k.Area.KeySize, k.KDF = maxKeySize, KDF{Type: "pbkdf2", Hash: "sha1", Iterations: MaxIterations, Salt: k.KDF.Salt}
	if s := h.slots(false)[0]; s.Kind != "" || !strings.Contains(s.Descr, "four minutes") || len(h.affordable([]*Keyslot{k}, false)) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestCopies: the newer one of two valid headers counts, and the second is found without the
// first.
func TestCopies(t *testing.T) {
	text := text2(kdf1, "", "")
	damaged := header2(text, false, 9)
	damaged[5000] ^= 1
	for _, c := range []struct {
		name          string
		first, second []byte
		sequence      uint64
		secondary     bool
	}{
		{"equal", header2(text, false, 3), header2(text, true, 3), 3, false},
		{"older", header2(text, false, 3), header2(text, true, 2), 3, false},
		{"newer", header2(text, false, 3), header2(text, true, 4), 4, true},
		{"damaged", damaged, header2(text, true, 4), 4, true},
		{"not valid", header2("{}", false, 9), header2(text, true, 4), 4, true},
		{"wiped", nil, header2(text, true, 4), 4, true},
		{"alone", header2(text, false, 3), nil, 3, false},
	} {
		h, err := ReadHeader(bytes.NewReader(image2(c.first, c.second, 1<<20)), 1<<20)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if h.Sequence != c.sequence || h.Secondary != c.secondary {
			t.Errorf("%s: %d, %v", c.name, h.Sequence, h.Secondary)
		}
	}
	if _, err := ReadHeader(bytes.NewReader(image2(damaged, nil, 1<<20)), 1<<20); err == nil {
		t.Error("no header is valid, and one is read")
	}
}
