package bitlocker

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/testdm"
)

// handmade returns a small volume: a boot sector, one block of metadata with the entries, and
// the header of a bitmap if it is to have one.
func handmade(onWrite bool, entries ...[]byte) []byte {
	b := make([]byte, 48<<10)
	copy(b, "\xebX\x90-FVE-FS-\x00\x02\x08")
	id := guidNormal
	if onWrite {
		id = guidOnWrite
	}
	copy(b[160:], id)
	const at = 16 << 10
	for i, off := range []uint64{at, at, at, 4 << 10, 4 << 10} {
		binary.LittleEndian.PutUint64(b[176+8*i:], off)
	}
	w := b[4<<10:]
	copy(w, "FVE-EOW\x00\x38\x00\x40\x00\x00\x02\x00\x00")
	binary.LittleEndian.PutUint32(w[20:], 1<<10)
	binary.LittleEndian.PutUint64(w[56:], 8<<10)
	sum(w, 36, 64)
	m := b[8<<10:]
	copy(m, "FVE-EOWBM\x00\x3c\x00\x00\x06")
	binary.LittleEndian.PutUint64(m[28:], 32<<10)
	binary.LittleEndian.PutUint32(m[44:], 512)
	sum(m, 56, 512)
	copy(m[512:], "FVE-EOWBR\x00\x24\x00\x00\x02\x00\x00\x20")
	copy(m[512+36:], "\xaa\xff\x00\x0f")
	sum(m[512:], 32, 512)

	block := b[at:]
	copy(block, "-FVE-FS-\x80\x00\x02\x00\x04\x00\x04\x00")
	binary.LittleEndian.PutUint64(block[16:], uint64(len(b)))
	binary.LittleEndian.PutUint32(block[28:], 2)
	for i := range 3 {
		binary.LittleEndian.PutUint64(block[32+8*i:], at)
	}
	binary.LittleEndian.PutUint64(block[56:], 32<<10)
	all := bytes.Join(entries, nil)
	set := block[blockHead:]
	binary.LittleEndian.PutUint32(set, uint32(datasetHead+len(all)))
	binary.LittleEndian.PutUint32(set[8:], datasetHead)
	binary.LittleEndian.PutUint16(set[36:], uint16(AESXTS128))
	copy(set[datasetHead:], all)
	const size = 0x80 * 16
	binary.LittleEndian.PutUint32(block[size+4:], crc32.ChecksumIEEE(block[:size]))
	return b
}

func sum(b []byte, at, n int) {
	binary.LittleEndian.PutUint32(b[at:], 0)
	binary.LittleEndian.PutUint32(b[at:], crc32.ChecksumIEEE(b[:n]))
}

// A bitmap in which every other chunk is encrypted, as far as it goes.
func TestHandmade(t *testing.T) {
	b := handmade(true, put(forDescription, isText, []byte("h\x00i\x00\x00\x00")))
	m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda"}
	meta, err := read(m)
	if err != nil || meta.Description != "hi" || meta.Method != AESXTS128 {
		t.Fatalf("%+v, %v", meta, err)
	}
	l, err := meta.layout(m)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(0)
	for _, r := range l {
		if r.start != at {
			t.Fatalf("a hole at %d of %+v", at, l)
		}
		at += r.length
	}
	if at != m.Size || l[0].from != 32<<10 || l[1] != (run{1 << 10, 1 << 10, 1 << 10, isCipher}) || l[2].kind != isPlain || l[2].length != 1<<10 {
		t.Errorf("layout %+v", l)
	}
	// Without a protector that a key could fit, the lock says so, whatever was tried.
	for _, keys := range []volume.Keyring{nil, &testdm.Keys{List: []volume.Key{{Kind: volume.Passphrase}}}} {
		list := Type.Open(context.Background(), []*volume.Member{m}, &volume.Env{Keys: keys})
		if l := list[len(list)-1].Locked; l == nil || l.Err == nil {
			t.Errorf("without a protector: %+v", l)
		}
	}
}

// The checksums are made right before a volume is opened, or nothing would get past them.
func FuzzOpen(f *testing.F) {
	clear := put(forVMK, isVMK, append(make([]byte, 28), put(forProperty, isKey, make([]byte, 36))...))
	f.Add(handmade(false, clear, put(forBootSectors, isExtent, make([]byte, 16))))
	f.Add(handmade(true, put(forFVEK, isEncrypted, make([]byte, 72))))
	f.Fuzz(func(t *testing.T, b []byte) {
		for off := 0; off+64 <= len(b); off += 512 {
			p := b[off:]
			fix := func(at, n int) {
				if n > at && n <= len(p) {
					sum(p, at, n)
				}
			}
			switch {
			case bytes.HasPrefix(p, []byte("-FVE-FS-")):
				if n := int(le16(p[8:])) * 16; n+8 <= len(p) {
					binary.LittleEndian.PutUint32(p[n+4:], crc32.ChecksumIEEE(p[:n]))
				}
			case bytes.HasPrefix(p, []byte("FVE-EOW\x00")):
				fix(36, int(le16(p[10:])))
			case bytes.HasPrefix(p, []byte("FVE-EOWBM")):
				fix(56, int(le32(p[44:])))
			case bytes.HasPrefix(p, []byte("FVE-EOWBR")):
				fix(32, int(le32(p[12:])))
			}
		}
		m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda"}
		meta, err := read(m)
		if err != nil {
			return
		}
		l, _ := meta.layout(m)
		at := int64(0)
		for _, r := range l {
			if r.start != at || r.length <= 0 || r.from < 0 || r.kind != isZero && r.from+r.length > m.Size {
				t.Fatalf("%+v of %+v", r, l)
			}
			at += r.length
		}
		if l != nil && at != meta.size {
			t.Fatalf("it ends at %d, not %d", at, meta.size)
		}
		unlock(context.Background(), m, meta, &volume.Env{Keys: &testdm.Keys{}})
	})
}

func FuzzStartupKey(f *testing.F) {
	f.Add(append(make([]byte, datasetHead), put(forStartupKey, isExternalKey, append(make([]byte, 24), put(0, isKey, make([]byte, 36))...))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if key, _, ok := startupKey(b); ok && len(key) == 0 {
			t.Error("an empty key")
		}
		recoveryHash(b)
		passwordHash(b)
	})
}
