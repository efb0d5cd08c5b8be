package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"testing"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/testimg"
)

// oddSource is a tree of files that are not what they were when they were looked at.
type oddSource struct {
	files []*item
	body  map[string]*oddBody
}

type oddBody struct {
	io.Reader
	data   []unboot.Extent
	vague  bool
	closed bool
}

func (b *oddBody) Close() error                      { b.closed = true; return nil }
func (b *oddBody) segments() ([]unboot.Extent, bool) { return b.data, b.data != nil }
func (b *oddBody) holes() bool                       { return b.vague }
func (s *oddSource) load([]*item)                    {}
func (s *oddSource) label(p string) string           { return p }
func (s *oddSource) open(it *item) (body, error)     { return s.body[it.path], nil }
func (s *oddSource) items(context.Context) iter.Seq[*item] {
	return func(yield func(*item) bool) {
		for _, it := range s.files {
			if !yield(it) {
				return
			}
		}
	}
}

// lastWords gives an error together with the last of the data.
type lastWords struct {
	r   *bytes.Reader
	err error
}

func (l *lastWords) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if err == nil && l.r.Len() == 0 {
		err = l.err
	}
	return n, err
}

// What has become shorter, or cannot be read to its end, is an error and not there;
// what has become longer is there as it is.
func TestChangingSource(t *testing.T) {
	needKernel(t)
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	a := newApp(nil, "test")
	o, err := a.tree(path, true)
	if err != nil {
		t.Fatal(err)
	}
	const size = 3 << 20
	full := testimg.Pattern(size, 1)
	src := &oddSource{body: map[string]*oddBody{
		"whole":   {Reader: bytes.NewReader(full)},
		"shorter": {Reader: bytes.NewReader(full[:size-1])},
		"empty":   {Reader: bytes.NewReader(nil)},
		"longer":  {Reader: bytes.NewReader(append(full[:size:size], "more"...))},
		"error":   {Reader: &lastWords{bytes.NewReader(full[:1<<20]), unix.EIO}},
		"sparse":  {Reader: bytes.NewReader(full[:size-1]), data: []unboot.Extent{{Offset: 0, Length: 1 << 20}, {Offset: 4 << 20, Length: 2 << 20}}},
		"vague":   {Reader: bytes.NewReader(full[:size-1]), vague: true},
	}}
	want := map[string]int64{"whole": size, "longer": size + 4}
	for name, b := range src.body {
		it := &item{path: name, meta: unboot.Metadata{Mode: 0o644, Size: size}}
		if b.data != nil {
			it.meta.Size = 6 << 20
		}
		src.files = append(src.files, it)
	}
	sink := newImageSink(a, o, ".", "", nil, &progress{})
	sink.strict = true
	err = transfer(context.Background(), src, sink)
	sink.close()
	if err != nil || !a.failed.Load() {
		t.Error(err, a.failed.Load())
	}
	for _, it := range src.files {
		st, err := o.fs.Stat(it.path)
		switch size, ok := want[it.path]; {
		case ok && (err != nil || st.Size() != size || it.left):
			t.Errorf("%s: %v, %v", it.path, st, err)
		case !ok && (!errors.Is(err, fs.ErrNotExist) || !it.left):
			t.Errorf("%s is there: %v, %v", it.path, st, err)
		}
		if !src.body[it.path].closed {
			t.Errorf("%s was not closed", it.path)
		}
	}
	if err := a.close(); err != nil {
		t.Error(err)
	}
}

// The content of an archive's member can be had once.
func TestTarOpenTwice(t *testing.T) {
	var b bytes.Buffer
	w := tarball.NewWriter(&b)
	w.WriteHeader(&tarball.Header{Name: "f", Type: tarball.TypeReg, Size: 3})
	w.Write([]byte("abc"))
	w.Close()
	s := &tarSource{r: tarball.NewReader(&b)}
	h, err := s.r.Next()
	if err != nil {
		t.Fatal(err)
	}
	s.cur = h
	if _, err := s.open(&item{}); err != nil {
		t.Error(err)
	}
	if _, err := s.open(&item{}); err == nil {
		t.Error("opened twice")
	}
}
