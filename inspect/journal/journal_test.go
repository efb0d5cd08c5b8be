package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"github.com/unboot/unboot/internal/testimg"
)

// remote is the program that makes journals of what it is sent.
const remote = "/lib/systemd/systemd-journal-remote"

// sample is an entry that is to be in a journal.
type sample struct {
	realtime, monotonic uint64
	boot                string
	fields              []string
}

const (
	bootA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	bootB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// samples makes n entries, some with fields that are long enough to be compressed.
func samples(n int, start uint64, boot string) (list []sample) {
	for i := range n {
		s := sample{realtime: start + uint64(i)*1000, monotonic: 1000 + uint64(i)*1000, boot: boot}
		s.fields = []string{fmt.Sprintf("MESSAGE=message %d of %s", i, boot[:4]), "PRIORITY=6", "SYSLOG_IDENTIFIER=test", "_HOSTNAME=host"}
		switch i % 50 {
		case 7:
			s.fields = append(s.fields, "LONG="+strings.Repeat(fmt.Sprint("compressible ", i, "\n"), 400))
		case 8:
			s.fields = append(s.fields, "RANDOM="+string(testimg.Pattern(3000, uint64(i))))
		case 9:
			s.fields = append(s.fields, "LONG="+strings.Repeat("x", 200_000))
		}
		list = append(list, s)
	}
	return list
}

// write makes a journal file of samples. env are variables for systemd.
func write(t *testing.T, name string, list []sample, env ...string) {
	t.Helper()
	if _, err := os.Stat(remote); err != nil {
		t.Skip("no systemd-journal-remote")
	}
	var b bytes.Buffer
	for _, s := range list {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", s.realtime, s.monotonic, s.boot)
		for _, f := range s.fields {
			name, value, _ := strings.Cut(f, "=")
			b.WriteString(name + "\n")
			binary.Write(&b, binary.LittleEndian, uint64(len(value)))
			b.WriteString(value + "\n")
		}
		b.WriteByte('\n')
	}
	cmd := exec.Command(remote, "--output="+name, "--split-mode=none", "-")
	cmd.Stdin = &b
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func open(t *testing.T, names ...string) *Journal {
	t.Helper()
	var files []*File
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files = append(files, f)
	}
	return New(files...)
}

// all returns the entries that a journal has.
func all(t *testing.T, j *Journal, limit int) (list []sample) {
	t.Helper()
	for {
		more, err := j.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return list
		}
		s := sample{realtime: uint64(j.Time().UnixMicro()), monotonic: j.entry.monotonic}
		for f, err := range j.Fields(limit) {
			if err != nil {
				t.Fatal(err)
			}
			if boot, ok := strings.CutPrefix(string(f), "_BOOT_ID="); ok {
				s.boot = boot
				continue
			}
			s.fields = append(s.fields, string(f))
		}
		list = append(list, s)
	}
}

func check(t *testing.T, got, want []sample) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		slices.Sort(g.fields)
		w.fields = slices.Sorted(slices.Values(w.fields))
		if g.realtime != w.realtime || g.monotonic != w.monotonic || g.boot != w.boot || !slices.Equal(g.fields, w.fields) {
			t.Fatalf("entry %d: %.300q\nwant %.300q", i, fmt.Sprint(g), fmt.Sprint(w))
		}
	}
}

// TestRead reads what systemd has written, in both of its layouts. It compresses by
// Zstandard; the other ways are in TestPacked.
func TestRead(t *testing.T) {
	want := samples(700, 1_700_000_000_000_000, bootA)
	for _, compact := range []string{"0", "1"} {
		t.Run("compact="+compact, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "a.journal")
			write(t, name, want, "SYSTEMD_JOURNAL_COMPACT="+compact)
			check(t, all(t, open(t, name), 1<<20), want)
			// No more than was asked for.
			for _, s := range all(t, open(t, name), 100) {
				for _, f := range s.fields {
					if len(f) > 100 {
						t.Errorf("a field of %d bytes", len(f))
					}
				}
			}
		})
	}
}

// synthetic makes a journal of one entry with one field.
func synthetic(payload string, packing byte) []byte {
	b := make([]byte, 400+(len(payload)+7)/8*8)
	copy(b, "LPKSHHRH")
	le.PutUint64(b[headerSize:], headerMin)
	le.PutUint64(b[headerEntries:], 2)
	le.PutUint64(b[headerEntryArray:], 208)
	object := func(at int, kind byte, size int) []byte {
		b[at] = kind
		le.PutUint64(b[at+8:], uint64(size))
		return b[at:]
	}
	le.PutUint64(object(208, typeEntryArray, 40)[arrayItems:], 248)
	le.PutUint64(object(248, typeEntry, 80)[entryItems:], 328)
	data := object(328, typeData, dataPayload+len(payload))
	data[1] = packing
	copy(data[dataPayload:], payload)
	return b
}

func TestPacked(t *testing.T) {
	text := "MESSAGE=" + strings.Repeat("hello, ", 100)
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(text))
	w.Close()
	// 15 literals, a match seven bytes back with the rest, and the end without any.
	rest := len(text) - 15 - 4 - 15
	lz4 := "\xff\x00MESSAGE=hello, \x07\x00" + strings.Repeat("\xff", rest/255) + string([]byte{byte(rest % 255)}) + "\x00"
	size := string(le.AppendUint64(nil, uint64(len(text))))
	for name, c := range map[string]struct {
		packing byte
		payload string
	}{
		"none": {0, text},
		"XZ":   {objectXZ, packed.String()},
		"LZ4":  {objectLZ4, size + lz4},
	} {
		for _, limit := range []int{1 << 20, 20} {
			b := synthetic(c.payload, c.packing)
			f, err := OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			got := all(t, New(f), limit)
			if len(got) != 1 || len(got[0].fields) != 1 || got[0].fields[0] != text[:min(len(text), limit)] {
				t.Errorf("%s, %d bytes: %.200q", name, limit, fmt.Sprint(got))
			}
		}
		// Garbage leaves out the field, not the entry.
		if c.packing != 0 {
			b := synthetic("garbage, more than 8 bytes", c.packing)
			f, err := OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if got := all(t, New(f), 1000); len(got) != 1 || len(got[0].fields) > 1 {
				t.Errorf("%s: %d entries", name, len(got))
			}
		}
	}
}

// TestMerge reads several files, in the order of time: two boots, one of them in two
// files, and a copy.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	a, b := samples(100, 1_700_000_000_000_000, bootA), samples(100, 1_700_000_000_050_500, bootB)
	write(t, filepath.Join(dir, "a.journal"), a)
	write(t, filepath.Join(dir, "b.journal"), b)
	c := slices.Concat(samples(150, 1_700_000_000_000_000, bootA)[100:])
	write(t, filepath.Join(dir, "c.journal"), c)
	want := slices.Concat(a, b, c)
	slices.SortStableFunc(want, func(a, b sample) int { return int(a.realtime) - int(b.realtime) })
	name := func(s string) string { return filepath.Join(dir, s+".journal") }
	check(t, all(t, open(t, name("a"), name("b"), name("c")), 1<<20), want)
	check(t, all(t, open(t, name("b"), name("a"), name("c"), name("a")), 1<<20), want)
	j := open(t, name("a"), name("b"))
	if n, err := j.Skip(150); n != 150 || err != nil {
		t.Error(n, err)
	}
	if n, err := j.Skip(100); n != 50 || err != nil {
		t.Error(n, err)
	}
	if more, err := j.Next(); more || err != nil {
		t.Error(more, err)
	}
}

func TestNoJournal(t *testing.T) {
	for _, text := range []string{"", "LPKSHHRH", strings.Repeat("x", 4096), "LPKSHHRH\x00\x00\x00\x00\x00\x01" + strings.Repeat("\x00", 300)} {
		if _, err := OpenFile(strings.NewReader(text), int64(len(text))); !errors.Is(err, ErrFormat) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if more, err := New().Next(); more || err != nil {
		t.Error(more, err)
	}
}

// TestCut reads files of which the end is missing.
func TestCut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.journal")
	want := samples(300, 1_700_000_000_000_000, bootA)
	write(t, name, want)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(whole); n > 0; n -= len(whole) / 50 {
		f, err := OpenFile(bytes.NewReader(whole[:n]), int64(n))
		if err != nil {
			continue
		}
		if got := all(t, New(f), 1<<20); len(got) > len(want) {
			t.Errorf("%d entries", len(got))
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(synthetic("MESSAGE=x", 0))
	f.Add(synthetic("\x09\x00\x00\x00\x00\x00\x00\x00\x90MESSAGE=x", objectLZ4))
	f.Add(synthetic("garbage", objectXZ))
	f.Add(synthetic("garbage", objectZstd))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		j := New(file)
		for n := 0; ; n++ {
			more, err := j.Next()
			if err != nil || !more {
				break
			}
			if n > len(b) {
				t.Fatal("more entries than bytes")
			}
			for field := range j.Fields(1000) {
				if len(field) > 1000 {
					t.Fatal("a field of", len(field))
				}
			}
		}
	})
}

func FuzzLZ4(f *testing.F) {
	f.Add([]byte("\x50hello\x05\x00\x10x"), 100)
	f.Add([]byte("\xff\xff\xff\x00"), 10)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = max(0, min(limit, 1<<16))
		if out, err := lz4Block(b, limit); err == nil && len(out) > limit {
			t.Fatal(len(out))
		}
	})
}
