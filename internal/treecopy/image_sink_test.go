package treecopy

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

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// mounted returns a file system that was made just now.
func mounted(t testing.TB, fstype string) *unboot.FS {
	t.Helper()
	img, err := unboot.Open(context.Background(), testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{})), unboot.Writable())
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// oddSource is a tree of files that are not what they were when they were looked at.
type oddSource struct {
	files []*Item
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
func (s *oddSource) load([]*Item)                    {}
func (s *oddSource) label(it *Item) string           { return it.Path }
func (s *oddSource) ahead() bool                     { return true }
func (s *oddSource) open(it *Item) (body, error)     { return s.body[it.Path], nil }
func (s *oddSource) items(context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for _, it := range s.files {
			if !yield(it, nil) {
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

// A file that has become shorter, or cannot be read to its end, is an error and not there;
// what has become longer is there as it is.
func TestChangingSource(t *testing.T) {
	f := mounted(t, "ext4")
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
		it := &Item{Path: name, Meta: unboot.Metadata{Mode: 0o644, Size: size}}
		if b.data != nil {
			it.Meta.Size = 6 << 20
		}
		src.files = append(src.files, it)
	}
	failed := map[string]bool{}
	sink := &ImageSink{FS: f, Dir: ".", Strict: true, Report: Report{Fail: func(name string, err error) error {
		failed[name] = true
		return nil
	}}}
	if err := Transfer(context.Background(), src, sink); err != nil || len(failed) != len(src.files)-len(want) {
		t.Error(err, failed)
	}
	for _, it := range src.files {
		st, err := f.Stat(it.Path)
		switch size, ok := want[it.Path]; {
		case ok && (err != nil || st.Size() != size || it.left):
			t.Errorf("%s: %v, %v", it.Path, st, err)
		case !ok && (!errors.Is(err, fs.ErrNotExist) || !it.left):
			t.Errorf("%s is there: %v, %v", it.Path, st, err)
		}
		if !src.body[it.Path].closed {
			t.Errorf("%s was not closed", it.Path)
		}
	}
}
