package tarball

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/acl"
)

// member is a header and the bytes that go with it.
type member struct {
	h    Header
	data string
}

func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&m.h); err != nil {
			t.Fatalf("%.60q: %v", m.h.Name, err)
		}
		if _, err := io.WriteString(w, m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != w.Written() || b.Len()%10240 != 0 {
		t.Errorf("the archive has %d bytes, Written says %d", b.Len(), w.Written())
	}
	return b.Bytes()
}

func readAll(b []byte) ([]member, error) {
	r := NewReader(bytes.NewReader(b))
	var all []member
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return all, err
		}
		all = append(all, member{*h, string(data)})
	}
}

var when = time.Unix(1709208000, 0)

func oddMembers() []member {
	file := func(name, data string) member {
		return member{Header{Name: name, Type: TypeReg, Mode: 0o644, Size: int64(len(data)), Mtime: when}, data}
	}
	node := func(name string, typ byte, change func(*Header)) member {
		h := Header{Name: name, Type: typ, Mode: 0o755, Mtime: when}
		if change != nil {
			change(&h)
		}
		return member{h, ""}
	}
	m := []member{
		node("dir", TypeDir, func(h *Header) { h.Mode = 0o1777; h.User, h.Group = "root", "games" }),
		file("plain", "hello\n"),
		file("empty", ""),
		file("block", strings.Repeat("b", 512)),
		file("large", strings.Repeat("0123456789abcdef", 20000)),
		file("new\nline", "x"),
		file("latin1-\xe9\xff", "x"),
		file("ü日本語🙂", "x"),
		file(strings.Repeat("n", 255), "x"),
		file(strings.Repeat("\xff", 255), "x"),
		node("suid", TypeReg, func(h *Header) { h.Mode = 0o6755 }),
		node("ids", TypeReg, func(h *Header) { h.UID, h.GID = 1<<32-2, 2097152 }),
		node("names", TypeReg, func(h *Header) { h.User = strings.Repeat("u", 40); h.Group = "gruppe-ä" }),
		node("char", TypeChar, func(h *Header) { h.Major, h.Minor = 4, 300 }),
		node("block-dev", TypeBlock, func(h *Header) { h.Major, h.Minor = 4095, 1<<20-1 }),
		node("fifo", TypeFifo, nil),
		node("symlink", TypeSymlink, func(h *Header) { h.Linkname = "../some\nwhere" }),
		node("long-symlink", TypeSymlink, func(h *Header) { h.Linkname = strings.Repeat("../x\xe9", 500) }),
		node("hard", TypeLink, func(h *Header) { h.Linkname = "plain" }),
		node("old", TypeReg, func(h *Header) { h.Mtime = time.Unix(-2, 5e8) }),
		node("nanoseconds", TypeReg, func(h *Header) { h.Mtime = time.Unix(1709208000, 123456780) }),
		node("far", TypeReg, func(h *Header) { h.Mtime = time.Unix(1<<34, 1) }),
		node("all-times", TypeReg, func(h *Header) { h.Atime, h.Ctime = time.Unix(5, 5), time.Unix(6, 0) }),
		node("xattrs", TypeReg, func(h *Header) {
			h.Xattrs = []Xattr{{"security.capability", "\x01\x00\x00\x02\x00\x20" + strings.Repeat("\x00", 14)},
				{"user.a=b", "refused"}, {"user.binary", "\x00\xff\n=\x00"}, {"user.empty", ""}}
			h.Xattrs = slices.Delete(h.Xattrs, 1, 2)
		}),
		node("acl", TypeDir, func(h *Header) {
			h.Xattrs = []Xattr{{acl.Access, testACL}, {acl.Default, testACL}}
		}),
	}
	// Around the boundaries of the name and prefix fields.
	for _, n := range []int{98, 99, 100, 101, 154, 155, 156, 157, 254, 255, 256, 257, 1000} {
		m = append(m, file(strings.Repeat("d/", (n-1)/2)+strings.Repeat("f", 2-n%2), "x"))
		m = append(m, node(strings.Repeat("e/", n/2)+strings.Repeat("f", 1), TypeDir, nil))
	}
	sparse := func(name string, size int64, data string, segs ...Segment) member {
		return member{Header{Name: name, Type: TypeReg, Mode: 0o600, Mtime: when, Size: size, Sparse: true, Data: segs}, data}
	}
	return append(m,
		sparse("s/hole-at-end", 1<<20, strings.Repeat("abcdefgh", 64)+"xyz", Segment{4096, 512}, Segment{8192, 3}),
		sparse("s/hole-at-start", 1<<20, "xyz", Segment{1<<20 - 3, 3}),
		sparse("all-hole", 1<<20, ""),
		sparse("s/empty", 0, ""),
		sparse("s/8TiB", 8<<40, "end", Segment{8<<40 - 3, 3}),
		sparse("s/"+strings.Repeat("long", 60), 1<<20, strings.Repeat("abcdefgh", 64)+"xy", Segment{0, 512}, Segment{4096, 2}),
		func() member {
			var segs []Segment
			for i := range int64(1000) {
				segs = append(segs, Segment{i * 8192, 512})
			}
			return sparse("s/many", 8<<20, strings.Repeat("m", 512000), segs...)
		}(),
		file("last", "last"))
}

const testACL = "\x02\x00\x00\x00" +
	"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x06\x00\xe8\x03\x00\x00" + "\x02\x00\x04\x00\x40\x0d\x03\x00" +
	"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"

func equal(t *testing.T, got, want []member) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("%d members, want %d", len(got), len(want))
		}
		g, w := got[i], want[i]
		for _, p := range []struct{ a, b *time.Time }{{&g.h.Mtime, &w.h.Mtime}, {&g.h.Atime, &w.h.Atime}, {&g.h.Ctime, &w.h.Ctime}} {
			if p.a.Equal(*p.b) {
				*p.a = *p.b
			}
		}
		if len(g.h.Data) == 0 && len(w.h.Data) == 0 {
			g.h.Data = w.h.Data
		}
		if g.data != w.data || !reflect.DeepEqual(g.h, w.h) {
			t.Errorf("member %d, %.60q:\n got %.500s %.20q\nwant %.500s %.20q", i, w.h.Name, fmt.Sprintf("%+v", g.h), g.data, fmt.Sprintf("%+v", w.h), w.data)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	want := oddMembers()
	got, err := readAll(archive(t, want...))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}

// The same by the standard library, which knows all but the ACLs' text.
func TestGoReads(t *testing.T) {
	want := oddMembers()
	want = slices.DeleteFunc(want, func(m member) bool { return m.h.Size > 1<<30 }) // it writes zeros for holes
	r := tar.NewReader(bytes.NewReader(archive(t, want...)))
	for _, w := range want {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%.60q: %v", w.h.Name, err)
		}
		name := w.h.Name
		if w.h.Type == TypeDir {
			name += "/"
		}
		if h.Name != name || h.Linkname != w.h.Linkname || h.Uid != int(w.h.UID) || h.Gid != int(w.h.GID) ||
			!h.ModTime.Equal(w.h.Mtime) || h.Size != w.h.Size || h.Typeflag != w.h.Type || h.Mode != int64(w.h.Mode) ||
			h.Devmajor != int64(w.h.Major) || h.Devminor != int64(w.h.Minor) || h.Uname != w.h.User || h.Gname != w.h.Group {
			t.Errorf("got %+v\nwant %+v", h, w.h)
		}
		for _, x := range w.h.Xattrs {
			if h.PAXRecords[keyXattr+x.Name] != x.Value {
				t.Errorf("%s: %s is %q", name, x.Name, h.PAXRecords[keyXattr+x.Name])
			}
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if string(data) != expand(&w) {
			t.Errorf("%.60s: wrong data", name)
		}
	}
}

// expand returns the content of a member, holes as zeros.
func expand(m *member) string {
	if !m.h.Sparse {
		return m.data
	}
	b, at := make([]byte, m.h.Size), 0
	for _, s := range m.h.Data {
		at += copy(b[s.Off:s.Off+s.Len], m.data[at:])
	}
	return string(b)
}

func TestGoWrites(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		t.Run(format.String(), func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			put := func(h tar.Header, data string) {
				h.Format, h.Size, h.ModTime = format, int64(len(data)), when
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, data)
			}
			long := strings.Repeat("d/", 70) + "file"
			put(tar.Header{Name: "dir/", Typeflag: tar.TypeDir, Mode: 0o755}, "")
			put(tar.Header{Name: long, Typeflag: tar.TypeReg, Mode: 0o644}, "data")
			put(tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "x/y"}, "")
			put(tar.Header{Name: "char", Typeflag: tar.TypeChar, Devmajor: 4, Devminor: 300}, "")
			if format != tar.FormatUSTAR {
				put(tar.Header{Name: strings.Repeat("n", 300), Typeflag: tar.TypeReg, Uid: 1 << 30}, "x")
				put(tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("/l", 100)}, "")
			}
			w.Close()
			got, err := readAll(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			want := []member{
				{Header{Name: "dir", Type: TypeDir, Mode: 0o755, Mtime: when}, ""},
				{Header{Name: long, Type: TypeReg, Mode: 0o644, Mtime: when, Size: 4}, "data"},
				{Header{Name: "link", Type: TypeSymlink, Linkname: "x/y", Mtime: when}, ""},
				{Header{Name: "char", Type: TypeChar, Major: 4, Minor: 300, Mtime: when}, ""},
			}
			if format != tar.FormatUSTAR {
				want = append(want,
					member{Header{Name: strings.Repeat("n", 300), Type: TypeReg, UID: 1 << 30, Mtime: when, Size: 1}, "x"},
					member{Header{Name: "l", Type: TypeSymlink, Linkname: strings.Repeat("/l", 100), Mtime: when}, ""})
			}
			equal(t, got, want)
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, h := range map[string]Header{
		"no name":         {Type: TypeReg},
		"nul":             {Type: TypeReg, Name: "a\x00b"},
		"type":            {Type: 'z', Name: "a"},
		"size":            {Type: TypeReg, Name: "a", Size: -1},
		"xattr":           {Type: TypeReg, Name: "a", Xattrs: []Xattr{{"user.a=b", ""}}},
		"beyond the size": {Type: TypeReg, Name: "a", Size: 10, Sparse: true, Data: []Segment{{8, 3}}},
		"unaligned":       {Type: TypeReg, Name: "a", Size: 10, Sparse: true, Data: []Segment{{0, 5}, {6, 3}}},
		"overlap":         {Type: TypeReg, Name: "a", Size: 10, Sparse: true, Data: []Segment{{0, 5}, {4, 3}}},
		"overflow":        {Type: TypeReg, Name: "a", Size: 10, Sparse: true, Data: []Segment{{1<<63 - 1, 3}}},
	} {
		if err := NewWriter(io.Discard).WriteHeader(&h); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := NewWriter(io.Discard)
	if err := w.WriteHeader(&Header{Name: "a", Type: TypeReg, Size: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abcd")); err != ErrTooLong {
		t.Error(err)
	}
	if err := w.Close(); err != ErrShort {
		t.Error(err)
	}
	if err := w.Fill(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestDamaged(t *testing.T) {
	good := archive(t, oddMembers()...)
	for name, b := range map[string][]byte{
		"not tar": []byte(strings.Repeat("this is no archive\n", 100)),
		"short":   []byte("x"),
		"checksum": func() []byte {
			b := slices.Clone(good)
			b[0] ^= 1
			return b
		}(),
	} {
		if m, err := readAll(b); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: %d members, %v", name, len(m), err)
		}
	}
	// Cut anywhere, an archive ends early: never with a wrong member.
	for cut := 0; cut < len(good); cut += 1999 {
		got, err := readAll(good[:cut])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrHeader) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if len(got) == 0 && err == nil && cut > 512 {
			t.Fatalf("cut at %d: nothing and no error", cut)
		}
	}
}

// TestMore has what follows an archive's end.
func TestMore(t *testing.T) {
	one := archive(t, member{Header{Name: "f", Type: TypeReg, Size: 3}, "abc"})
	for _, c := range []struct {
		name  string
		after []byte
		more  bool
	}{
		{"nothing", nil, false},
		{"padding", make([]byte, 100000), false},
		{"an archive", one, true},
		{"padding and an archive", append(make([]byte, 20480), one...), true},
		{"half a block", []byte("x"), false},
		{"text", bytes.Repeat([]byte("text"), 1000), false},
	} {
		r := NewReader(bytes.NewReader(slices.Concat(one, c.after)))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
			if r.More() {
				t.Error(c.name, "more, in the middle")
			}
		}
		if got := r.More(); got != c.more {
			t.Error(c.name, got)
		}
		if want := int64(len(c.after)); c.more && r.Offset() != want {
			t.Error(c.name, "at", r.Offset(), "not", want)
		}
	}
}

func TestAlign(t *testing.T) {
	got := Align([]Segment{{0, 1}, {511, 2}, {2000, 10}, {2060, 5000}, {9000, 1000}}, 9999)
	if want := []Segment{{0, 1024}, {1536, 5632}, {8704, 1295}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Align(nil, 5); len(got) != 0 {
		t.Error(got)
	}
}

func TestACLText(t *testing.T) {
	const text = "user::rwx,user:1000:rw-,user:200000:r--,group::r-x,mask::rwx,other::---"
	if got, ok := aclText(testACL); !ok || got != text {
		t.Errorf("got %q", got)
	}
	for _, s := range []string{text,
		"other::---\nuser:200000:r--\nuser::rwx # owner\nuser:1000:rw-\ngroup::r-x\nmask::rwx\n",
		"u::rwx,u:joe:rw-:1000,u:jane:r--:200000,g::r-x,m::rwx,o::---",
		"user::rwx,user:1000:rw-,user:200000:r--,group::r-x,mask:rwx,other:---",
	} {
		if got, ok := aclValue(s); !ok || got != testACL {
			t.Errorf("%q: got %q", s, got)
		}
	}
	for _, s := range []string{"", "user", "user::rwz", "user:joe:r--", "nobody::r--", ":::"} {
		if got, ok := aclValue(s); ok {
			t.Errorf("%q: got %q", s, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, m := range oddMembers() {
		// Without the padding behind, and none of the large ones: they
		// would be most of the work.
		if b := archive(f, m); len(b) <= 10240 {
			f.Add(bytes.TrimRight(b, "\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		w := NewWriter(io.Discard)
		for {
			h, err := r.Next()
			if err != nil {
				return
			}
			if strings.IndexByte(h.Name, 0) >= 0 || h.Name == "" || h.Size < 0 || h.Mode > 0o7777 {
				t.Fatalf("%+v", h)
			}
			if h.Sparse {
				if err := checkData(h.Data, h.Size); err != nil {
					t.Fatal(err)
				}
			}
			n, err := io.Copy(io.Discard, r)
			if err != nil {
				return
			}
			if n != h.Stored() {
				t.Fatalf("%q: %d bytes, %d announced", h.Name, n, h.Stored())
			}
			if err := w.WriteHeader(h); err == nil {
				if err := w.Fill(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// What is read and written again is the same.
func FuzzRewrite(f *testing.F) {
	for _, m := range oddMembers() {
		// Without the padding behind, and none of the large ones: they
		// would be most of the work.
		if b := archive(f, m); len(b) <= 10240 {
			f.Add(bytes.TrimRight(b, "\x00"))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := readAll(b)
		if err != nil {
			return
		}
		for _, m := range first {
			if check(&m.h) != nil {
				return // such as an owner of -1
			}
		}
		again, err := readAll(archive(t, first...))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, again, first)
	})
}

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(io.Discard)
	h := Header{Name: "./usr/share/doc/some-package/changelog.Debian.gz", Type: TypeReg, Mode: 0o644, Size: 3000,
		Mtime: time.Unix(1709208000, 123456789)}
	data := make([]byte, 3000)
	b.ReportAllocs()
	for b.Loop() {
		w.WriteHeader(&h)
		w.Write(data)
	}
}

func BenchmarkReader(b *testing.B) {
	var m []member
	for range 1000 {
		m = append(m, member{Header{Name: "usr/share/doc/file", Type: TypeReg, Size: 3000, Mtime: time.Unix(1, 1)}, strings.Repeat("x", 3000)})
	}
	data := archive(b, m...)
	b.ReportAllocs()
	n := 0
	r := NewReader(bytes.NewReader(data))
	for b.Loop() {
		if n++; n == 1000 {
			r, n = NewReader(bytes.NewReader(data)), 1
		}
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
