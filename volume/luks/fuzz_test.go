package luks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// header2 builds a header of version 2 around a JSON text.
func header2(json string, second bool, sequence uint64) []byte {
	b := make([]byte, minMetadata)
	be := binary.BigEndian
	copy(b, magic)
	if second {
		copy(b, magicSecond)
		be.PutUint64(b[256:], minMetadata)
	}
	be.PutUint16(b[6:], 2)
	be.PutUint64(b[8:], minMetadata)
	be.PutUint64(b[16:], sequence)
	copy(b[72:], "sha256")
	copy(b[168:], "12a3a118-7039-4575-a649-3f559d8d87ee")
	copy(b[binarySize:], json)
	sum := sha256.Sum256(b)
	copy(b[448:], sum[:])
	return b
}

// text2 is the JSON text of a volume with one key slot.
func text2(kdf, segment, config string) string {
	salt := strings.Repeat("A", 43) + "="
	return fmt.Sprintf(`{"keyslots":{"0":{"type":"luks2","key_size":32,"af":{"type":"luks1","stripes":4000,"hash":"sha256"},
"area":{"type":"raw","offset":"32768","size":"131072","encryption":"aes-xts-plain64","key_size":32},"kdf":{%s,"salt":%q}}},
"tokens":{"0":{"type":"systemd-tpm2","keyslots":["0"]}},
"segments":{"0":{"type":"crypt","offset":"163840","size":"dynamic","iv_tweak":"0","encryption":"aes-xts-plain64","sector_size":512%s}},
"digests":{"0":{"type":"pbkdf2","keyslots":["0"],"segments":["0"],"hash":"sha256","iterations":1,"salt":%q,"digest":%q}},
"config":{"json_size":"12288","keyslots_size":"131072"%s}}`, kdf, salt, segment, salt, salt, config)
}

const kdf1 = `"type":"pbkdf2","hash":"sha256","iterations":1`

// image2 is a device of the headers and as many bytes.
func image2(first, second []byte, size int) []byte {
	b := make([]byte, size)
	copy(b, first)
	copy(b[minMetadata:], second)
	return b
}

// none never decrypts anything, fast.
func none(string, []byte, uint64, []byte) error { return nil }

// fuzzOpen opens whatever it is. What is planned has to lie on the device.
func fuzzOpen(t *testing.T, b []byte, size int64) {
	m := &volume.Member{R: bytes.NewReader(b), Size: size, SectorSize: 512, Name: "/dev/sda"}
	h, err := ReadHeader(m.R, m.Size)
	if err != nil {
		if text := err.Error(); strings.Contains(text, "%!") || strings.Contains(text, "\n") {
			t.Errorf("%q", text)
		}
		return
	}
	if h.Version == 2 {
		for _, k := range h.Keyslots {
			if k.Area.Offset < 2*h.MetadataSize || k.Area.Offset+k.Area.Size > size {
				t.Errorf("a key slot at %d of %d bytes", k.Area.Offset, size)
			}
		}
	}
	// Derivations are not what is looked at.
	for i := range h.Keyslots {
		k := &h.Keyslots[i]
		k.KDF.check(false)
		k.KDF.words()
		if k.KDF.Iterations > 10 || k.KDF.Memory > 1024 || k.KDF.Time > 2 || k.KeySize > 64 {
			k.Type = "slow"
		}
	}
	h.Keyslots = h.Keyslots[:min(len(h.Keyslots), 1)]
	for i := range h.Digests {
		h.Digests[i].Iterations = min(h.Digests[i].Iterations, 2)
	}
	env := &volume.Env{Keys: ring{passphrase("x")}, Decrypt: none}
	o := opening{ctx: context.Background(), env: env, header: h, area: m, data: m}
	for _, v := range o.volumes() {
		if v.Usable() == (v.Locked != nil || len(v.Problems) > 0) {
			t.Errorf("%+v", v)
		}
		if strings.ContainsAny(v.Name, "/ \n") || strings.ContainsAny(v.UUID, "/ \n") {
			t.Errorf("a name of %q, %q", v.Name, v.UUID)
		}
		for _, table := range v.Table {
			if table.Length <= 0 || table.Length > size/512 || len(strings.Fields(table.Params)) < 4 {
				t.Errorf("%+v", table)
			}
		}
	}
}

func FuzzHeader1(f *testing.F) {
	b := make([]byte, 4096)
	copy(b, magic+"\x00\x01aes")
	copy(b[40:], "cbc-essiv:sha256")
	copy(b[72:], "sha1")
	copy(b[168:], "99b82e69-daca-4472-8523-d23f33aae7ab")
	be := binary.BigEndian
	be.PutUint32(b[104:], 2048)
	be.PutUint32(b[108:], 16)
	be.PutUint32(b[164:], 1)
	for i := range slots1 {
		s := b[208+48*i:]
		be.PutUint32(s, active1)
		be.PutUint32(s[4:], 1)
		be.PutUint32(s[40:], uint32(8+128*i))
		be.PutUint32(s[44:], stripes)
	}
	f.Add(b, int64(4<<20))
	f.Fuzz(func(t *testing.T, b []byte, size int64) { fuzzOpen(t, b, max(size, 0)) })
}

func FuzzHeader2(f *testing.F) {
	for _, text := range []string{
		text2(kdf1, "", ""),
		text2(`"type":"argon2id","time":1,"memory":32,"cpus":1`, `,"flags":["in-reencryption"]`, `,"requirements":{"mandatory":["online-reencrypt-v2"]}`),
		text2(kdf1, `,"integrity":{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"none"}`, `,"flags":["allow-discards"]`),
		strings.Replace(text2(kdf1, "", ""), "dynamic", "18446744073709551615", 1),
	} {
		f.Add(text, int64(1<<20), []byte("integrt\x00\x04\x0f\x20\x00"))
	}
	f.Fuzz(func(t *testing.T, text string, size int64, data []byte) {
		if len(text) > minMetadata-binarySize {
			return
		}
		b := image2(header2(text, false, 1), nil, 256<<10)
		copy(b[163840:], data)
		fuzzOpen(t, b, max(size, 0))
	})
}
