package hive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// software is a hive with what inspection asks for.
func software(t testing.TB) *Hive {
	t.Helper()
	h := New()
	id := mustRoot(t, h)
	var err error
	for _, name := range []string{"Microsoft", "Windows NT", "CurrentVersion"} {
		if id, err = h.AddChild(id, name); err != nil {
			t.Fatal(err)
		}
	}
	err = h.SetValues(id, []Value{
		{"ProductName", String, StringData("Windows 10 Pro")},
		{"", String, StringData("the default")},
		{"SystemRoot", ExpandString, StringData(`%SystemDrive%\Windows`)},
		{"CurrentMajorVersionNumber", DWord, DWordData(10)},
		{"BigEndian", DWordBigEndian, []byte{1, 2, 3, 4}},
		{"InstallTime", QWord, QWordData(1 << 40)},
		{"List", MultiString, StringsData([]string{"one", "zwei", "ż"})},
		{"Unended", String, []byte("a\x00b\x00c")},
		{"Unended list", MultiString, []byte("a\x00\x00\x00b\x00c\x00")},
		{"Short", DWord, []byte{1, 2}},
		{"Bytes", Binary, []byte{0xca, 0xfe}},
		{"Lone", String, []byte("a\x00\x00\xd8b\x00")},
		{"ÄÖÜ", None, nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLookup(t *testing.T) {
	data, err := software(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(bytes.NewReader(data), int64(len(data)), 0)
	if err != nil {
		t.Fatal(err)
	}
	k, err := h.Lookup("microsoft", "WINDOWS nt", "CurrentVersion")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Lookup(`\Microsoft\Windows NT`, "CurrentVersion"); err != nil || again.ID() != k.ID() {
		t.Error(again, err)
	}
	for name, want := range map[string]string{
		"productname": "Windows 10 Pro", "": "the default", "SystemRoot": `%SystemDrive%\Windows`,
		"Unended": "ab", "Lone": "a\ufffdb",
	} {
		if got, err := k.String(name); err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]uint64{
		"CurrentMajorVersionNumber": 10, "BigEndian": 0x01020304, "InstallTime": 1 << 40,
	} {
		if got, err := k.Number(name); err != nil || got != want {
			t.Errorf("%q: %d, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"List": "one, zwei, ż", "Unended list": "a, bc", "Bytes": "cafe", "Short": "0102", "InstallTime": "1099511627776",
	} {
		if v, err := k.Value(name); err != nil || v.String() != want {
			t.Errorf("%q: %q, %v", name, v, err)
		}
	}
	if _, err := k.Value("äöÜ"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"Short", "Bytes", "List"} {
		if _, err := k.Number(name); !errors.Is(err, ErrType) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%q as a number: %v", name, err)
		}
	}
	if _, err := k.String("InstallTime"); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), `CurrentVersion`) {
		t.Error(err)
	}
	if _, err := k.Value("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := h.Lookup("Microsoft", "Windows 95"); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), `\Microsoft\Windows 95`) {
		t.Error(err)
	}
	top, _ := h.Lookup()
	if names, err := top.Children(); err != nil || !reflect.DeepEqual(names, []string{"Microsoft"}) {
		t.Error(names, err)
	}
	if names, err := k.ValueNames(); err != nil || len(names) != 13 || names[12] != "ÄÖÜ" {
		t.Error(names, err)
	}
	parent, err := h.Parent(k.ID())
	if err != nil {
		t.Fatal(err)
	}
	if name, err := h.NodeName(parent); name != "Windows NT" {
		t.Error(name, err)
	}
	if _, err := h.Parent(mustRoot(t, h)); !errors.Is(err, ErrHandle) {
		t.Error("parent of the root:", err)
	}
	if sd, err := h.NodeSecurity(k.ID()); err != nil || !bytes.Equal(sd, defaultSecurity()) {
		t.Error(sd, err)
	}
	if _, err := h.AddChild(k.ID(), "x"); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	for _, err := range []error{h.DeleteChild(k.ID()), h.SetValue(k.ID(), Value{}), h.SetValues(k.ID(), nil),
		h.DeleteValue(k.ID(), "List"), h.Commit(io.Discard)} {
		if !errors.Is(err, ErrReadOnly) {
			t.Error(err)
		}
	}
}

// What cannot be done, and that it changes nothing.
func TestRefusals(t *testing.T) {
	h := software(t)
	k, err := h.Lookup("Microsoft")
	if err != nil {
		t.Fatal(err)
	}
	values, err := h.Values(k.ID())
	if err != nil || len(values) != 0 {
		t.Fatal(values, err)
	}
	before, _ := h.Bytes()
	add := func(id NodeID, name string) error {
		_, err := h.AddChild(id, name)
		return err
	}
	for what, c := range map[string]struct{ err, want error }{
		"a name twice":          {add(k.ID(), "windows NT"), fs.ErrExist},
		"no name":               {add(k.ID(), ""), ErrInvalid},
		"a path":                {add(k.ID(), `a\b`), ErrInvalid},
		"a long name":           {add(k.ID(), strings.Repeat("x", 256)), ErrInvalid},
		"a long name, in pairs": {add(k.ID(), strings.Repeat("𝄞", 128)), ErrInvalid},
		"not UTF-8":             {add(k.ID(), "a\xff"), ErrInvalid},
		"below no node":         {add(12345, "a"), ErrHandle},
		"below nothing":         {add(0, "a"), ErrHandle},
		"far away":              {add(0xfffffff8, "a"), ErrHandle},
		"the root":              {h.DeleteChild(mustRoot(t, h)), ErrInvalid},
		"no node":               {h.DeleteChild(k.ID() + 8), ErrHandle},
		"a value twice":         {h.SetValues(k.ID(), []Value{{Name: "a"}, {Name: "A"}}), ErrInvalid},
		"a value's long name":   {h.SetValue(k.ID(), Value{Name: strings.Repeat("x", 16384)}), ErrInvalid},
		"no such value":         {h.DeleteValue(k.ID(), "x"), fs.ErrNotExist},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	after, _ := h.Bytes()
	if !bytes.Equal(before, after) {
		t.Error("refusals changed the hive")
	}
}

// Each handle is of its kind, and only as long as what it means is there.
func TestHandles(t *testing.T) {
	h := software(t)
	k, err := h.Lookup("Microsoft", "Windows NT", "CurrentVersion")
	if err != nil {
		t.Fatal(err)
	}
	values, err := h.Values(k.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.NodeName(NodeID(values[0])); !errors.Is(err, ErrHandle) {
		t.Error("a value as a node:", err)
	}
	if _, err := h.ValueName(ValueID(k.ID())); !errors.Is(err, ErrHandle) {
		t.Error("a node as a value:", err)
	}
	// Data that looks like a node is none.
	nk := newNode(toUnits("false"), 32, 32, 0)
	if err := h.SetValue(k.ID(), Value{"nk", Binary, nk}); err != nil {
		t.Fatal(err)
	}
	id, _ := h.Value(k.ID(), "nk")
	v, _ := h.value(id)
	fake := getRef(v.b[vkData:]).node()
	if _, err := h.AddChild(fake, "x"); !errors.Is(err, ErrHandle) {
		t.Error("data as a node:", err)
	}
	if err := h.SetValues(k.ID(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ValueName(values[0]); !errors.Is(err, ErrHandle) {
		t.Error("a stale value:", err)
	}
	if names, err := k.ValueNames(); err != nil || len(names) != 0 {
		t.Error(names, err)
	}
}

// Replacing one value keeps the others, their handles and their order.
func TestSetValue(t *testing.T) {
	h := software(t)
	k, _ := h.Lookup("Microsoft", "Windows NT", "CurrentVersion")
	before, _ := k.ValueNames()
	ids, _ := h.Values(k.ID())
	if err := h.SetValue(k.ID(), Value{"PRODUCTNAME", String, StringData("Windows 11")}); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteValue(k.ID(), "list"); err != nil {
		t.Fatal(err)
	}
	if s, err := k.String("ProductName"); s != "Windows 11" {
		t.Error(s, err)
	}
	if name, err := h.ValueName(ids[1]); err != nil || name != "" {
		t.Error(name, err)
	}
	after, _ := k.ValueNames()
	want := append([]string{"PRODUCTNAME"}, before[1:6]...)
	if want = append(want, before[7:]...); !reflect.DeepEqual(after, want) {
		t.Error(after, want)
	}
	data, _ := h.Bytes()
	checkWhole(t, data)
}

// Commit writes a header that fits, and changes nothing if nothing has changed.
func TestCommit(t *testing.T) {
	h := New()
	now := time.Date(2024, 2, 29, 12, 34, 56, 789_000_100, time.UTC)
	h.Now = func() time.Time { return now }
	first, _ := h.Bytes()
	second, _ := h.Bytes()
	if !bytes.Equal(first, second) {
		t.Error("a commit of nothing changes something")
	}
	id, err := h.AddChild(mustRoot(t, h), "a")
	if err != nil {
		t.Fatal(err)
	}
	third, _ := h.Bytes()
	if a, b := le.Uint32(second[hdrSequence1:]), le.Uint32(third[hdrSequence1:]); b != a+1 || le.Uint32(third[hdrSequence2:]) != b {
		t.Error("sequence numbers", a, b)
	}
	h = checkWhole(t, third)
	for _, id := range []NodeID{id, mustRoot(t, h)} {
		if got, err := h.NodeTime(id); err != nil || !got.Equal(now) {
			t.Error(got, err)
		}
	}
	if !h.Modified().Equal(now) {
		t.Error(h.Modified())
	}
	if h.Version() != 5 {
		t.Error(h.Version())
	}
}

// Dirty hives are read, and clean once they are written.
func TestDirty(t *testing.T) {
	for what, spoil := range map[string]func([]byte){
		"sequence numbers": func(b []byte) { le.PutUint32(b[hdrSequence1:], 77); le.PutUint32(b[hdrChecksum:], checksum(b)) },
		"checksum":         func(b []byte) { b[hdrTime]++ },
	} {
		data, _ := software(t).Bytes()
		spoil(data)
		h, err := Parse(data, Write)
		if err != nil {
			t.Fatal(err)
		}
		if d := h.Dirty(); !strings.Contains(d, what) {
			t.Errorf("%s: %q", what, d)
		}
		data, _ = h.Bytes()
		checkWhole(t, data)
	}
}

// Several goroutines read one hive that is not in memory yet.
func TestConcurrentReads(t *testing.T) {
	h := New()
	root := mustRoot(t, h)
	for i := range 3000 {
		if _, err := h.AddChild(root, strings.Repeat("k", i%50)+string(rune('a'+i%26))+time.Duration(i).String()); err != nil {
			t.Fatal(err)
		}
	}
	data, _ := h.Bytes()
	want := mustDump(t, h)
	lazy, err := Open(bytes.NewReader(data), int64(len(data)), 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := dump(lazy)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Error("another tree", err)
			}
		})
	}
	wg.Wait()
}

// failing is a reader that breaks behind an offset.
type failing struct {
	data []byte
	end  int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.end {
		return 0, syscall.EIO
	}
	return copy(p, f.data[off:]), nil
}

// An error of the reader is what the caller gets, and no handle is to blame.
func TestReadError(t *testing.T) {
	h := New()
	root := mustRoot(t, h)
	h.SetValue(root, Value{"x", Binary, make([]byte, 300<<10)})
	data, _ := h.Bytes()
	lazy, err := Open(failing{data, 2 * chunkSize}, int64(len(data)), 0)
	if err != nil {
		t.Fatal(err)
	}
	k, err := lazy.Lookup()
	if err == nil {
		_, err = k.Value("x")
	}
	if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrHandle) {
		t.Error(err)
	}
	if _, err := Open(failing{data, 2 * chunkSize}, int64(len(data)), Write); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if _, err := Open(bytes.NewReader(data[:5000]), int64(len(data)), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
