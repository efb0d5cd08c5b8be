package bitlocker

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/testdm"
)

// A volume whose protection is suspended opens without any key, one that is decrypted is
// shown as it is.
func TestWithoutKey(t *testing.T) {
	list := unlocked(t, testdm.Unxz(t, "fox-it.dissect.fve-suspended.bin"))
	if len(list) != 1 || !list[0].Usable() {
		t.Fatalf("not open: %+v", list)
	}
	checkNTFS(t, list[0])
	list = unlocked(t, testdm.Unxz(t, "fox-it.dissect.fve-decrypted.bin"))
	if len(list) != 1 || list[0].Info.(*Header).State != Decrypted || len(list[0].Table) != 1 || list[0].Table[0].Type != "linear" {
		t.Errorf("decrypted: %+v", list)
	}
}

// The volume that is encrypted as it is written to, with the runs that the test of dissect.fve
// has. Where that goes on in the middle of a chunk, after the metadata at 302976, it takes
// the rest for a whole one, and so the next for 4080 sectors later than the bitmap says.
func TestOnWrite(t *testing.T) {
	list := unlocked(t, testdm.Unxz(t, "fox-it.dissect.fve-eow_partial.bin"), password("password12!@"))
	if len(list) != 2 || !list[1].Usable() || !list[0].Hidden || !list[1].ReadOnly {
		t.Fatalf("not open: %+v", list)
	}
	v := list[1]
	checkNTFS(t, v)
	var got []string
	for _, target := range v.Table {
		if target.Start < 69648 || target.Start >= 610320 {
			continue
		}
		from := "zero"
		if target.Type == "linear" {
			from = "plain"
			if target.Devices[0] == volume.Base(list[0]) {
				from = "cipher"
			}
		}
		got = append(got, fmt.Sprintf("%d %d %s", target.Start, min(target.Length, 610320-target.Start), from))
	}
	want := []string{"69648 233328 plain", "302976 128 zero", "303104 94224 plain", "397328 139120 cipher", "536448 128 zero", "536576 73744 cipher"}
	if !slices.Equal(got, want) {
		t.Errorf("runs %q, not %q", got, want)
	}
}

// The startup keys of the images, put into files as Windows writes them.
func TestStartupKey(t *testing.T) {
	file := func(id, key string) volume.Key {
		k, _ := hex.DecodeString(key)
		g, _ := hex.DecodeString(id)
		b := make([]byte, 48, 156)
		binary.LittleEndian.PutUint32(b[4:], 1)
		binary.LittleEndian.PutUint32(b[8:], 48)
		inner := put(forProperty, isText, []byte("E\x00x\x00\x00\x00"))
		inner = append(inner, put(forProperty, isKey, append([]byte{2, 0x20, 0, 0}, k...))...)
		b = append(b, put(forStartupKey, isExternalKey, slices.Concat(g, make([]byte, 8), inner))...)
		binary.LittleEndian.PutUint32(b, uint32(len(b)))
		return volume.Key{Kind: volume.StartupKey, Secret: b}
	}
	const recovery, startup = "1a08b099b660e4478482dea46ee1891d 48a608e5cd6f2112e4b390e38a086a5ec62a1a014afaf092c9117630deecd805", "581a41b300340a428b7e9b5f706425c0 7a70ca1ab390e00daf4d72c217c42bf67a39db94d76214733ae56acb1c5dd814"
	key := func(s string) volume.Key {
		id, k, _ := strings.Cut(s, " ")
		return file(id, k)
	}
	for name, keys := range map[string][2]string{"recovery_key": {recovery, startup}, "startup_key": {startup, recovery}} {
		path := testdm.Unxz(t, "fox-it.dissect.fve-"+name+".bin")
		if list := unlocked(t, path, key(keys[1])); list[0].Usable() {
			t.Errorf("%s opens by the key of another volume", name)
		}
		list := unlocked(t, path, key(keys[0]))
		if !list[0].Usable() {
			t.Fatalf("%s: not open: %+v", name, list[0].Locked)
		}
		checkNTFS(t, list[0])
	}
}

// put returns an entry.
func put(role, kind uint16, data []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(entryHead+len(data)))
	b = binary.LittleEndian.AppendUint16(b, role)
	b = binary.LittleEndian.AppendUint16(b, kind)
	return append(append(b, 0, 0), data...)
}

// Keys that do not fit leave a volume that says what would.
func TestLocked(t *testing.T) {
	path := testdm.Unxz(t, "fox-it.dissect.fve-recovery_password.bin")
	list := unlocked(t, path, password("nonsense"), volume.Key{Kind: volume.Recovery, Secret: []byte("000000-000000")})
	lock := list[0].Locked
	if lock == nil || lock.Tried != 2 || lock.Err != nil || len(lock.Slots) != 2 || len(list[0].Bases) != 1 {
		t.Fatalf("lock %+v", lock)
	}
	for _, s := range lock.Slots {
		if s.Kind != volume.Passphrase && s.Kind != volume.Recovery {
			t.Errorf("slot %+v", s)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if stretch(ctx, [32]byte{}, nil) != nil {
		t.Error("a derivation goes on after the end of its context")
	}
}

func TestRecoveryPassword(t *testing.T) {
	const right = "284867-596541-514998-422114-660297-261613-215424-199408"
	want, ok := recoveryHash([]byte(right))
	if !ok {
		t.Fatal("not taken")
	}
	for _, same := range []string{right + "\n", strings.ReplaceAll(right, "-", ""), strings.ReplaceAll(right, "-", " ")} {
		if got, ok := recoveryHash([]byte(same)); !ok || got != want {
			t.Errorf("%q is not the same", same)
		}
	}
	for _, wrong := range []string{
		"", "284867", "284868" + right[6:], // not a multiple of 11
		"720907" + right[6:], // 65537 times 11
		right + "0", "28486-7" + right[7:], "-28486" + right[6:],
	} {
		if _, ok := recoveryHash([]byte(wrong)); ok {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// changed is an image with some bytes changed.
type changed struct {
	io.ReaderAt
	at   int64
	with []byte
}

func (c changed) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	if from, to := max(off, c.at), min(off+int64(n), c.at+int64(len(c.with))); from < to {
		copy(p[from-off:to-off], c.with[from-c.at:to-c.at])
	}
	return n, err
}

// A damaged copy of the metadata does not matter; metadata that somebody without the
// key has changed is refused.
func TestDamaged(t *testing.T) {
	path := testdm.Unxz(t, "fox-it.dissect.fve-aes-xts_128.bin")
	env := &volume.Env{Keys: &testdm.Keys{List: []volume.Key{password("password12!@")}}}
	open := func(at int64, with []byte) (*volume.Member, []*volume.Volume) {
		m := testdm.Member(t, path)
		m.R = changed{m.R, at, with}
		return m, Type.Open(context.Background(), []*volume.Member{m}, env)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	boot := make([]byte, 512)
	f.ReadAt(boot, 0)
	first := int64(le64(boot[176:]))
	_, list := open(first+200, []byte("damage"))
	if len(list) != 1 || !list[0].Usable() || len(list[0].Problems) == 0 || !strings.Contains(list[0].Problems[0], fmt.Sprint("the metadata at ", first)) {
		t.Errorf("one copy damaged: %+v", list)
	}
	// Another description, with a checksum that fits and a newer counter.
	block := make([]byte, 1<<16)
	f.ReadAt(block, first)
	size := int(le16(block[8:])) * 16
	binary.LittleEndian.PutUint32(block[blockHead+32:], 1<<31)
	binary.LittleEndian.PutUint32(block[size+4:], crc32.ChecksumIEEE(block[:size]))
	_, list = open(first, block)
	if len(list) != 1 || list[0].Usable() || !strings.Contains(fmt.Sprint(list[0].Problems), "changed by something") {
		t.Errorf("forged: %+v", list)
	}
	m, list := open(3, []byte("-NOT-FS-"))
	if len(list) != 0 || len(m.Problems) != 1 {
		t.Errorf("not BitLocker: %+v %q", list, m.Problems)
	}
	for _, end := range []int64{0, 100, first, first + 100, first + int64(size), first + int64(size) + 7} {
		m := testdm.Member(t, path)
		m.Size = end
		if list = Type.Open(context.Background(), []*volume.Member{m}, env); len(list) != 0 || len(m.Problems) != 1 {
			t.Errorf("cut off at %d: %+v %q", end, list, m.Problems)
		}
	}
}
