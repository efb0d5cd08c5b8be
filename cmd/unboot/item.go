package main

import (
	"context"
	"io"
	"iter"
	"sync"

	"github.com/unboot/unboot"
)

// An item is a file on its way from one tree to another: out of an image, the
// host or an archive, into one of those.
type item struct {
	// path is relative to the tree that is moved, "." is its root.
	path string
	meta unboot.Metadata
	// hard is the path of an earlier item that this is another name of, or "".
	hard string
	// shared says that later items may be other names of this one.
	shared bool
	// data is the whole content of a regular file, if loaded says so.
	data   []byte
	loaded bool
	// err is why it could not be loaded.
	err error
	// left is set by a sink that has left the item out.
	left bool

	entry *unboot.Entry // where it comes from, in an image
}

// A body is the content of a large regular file.
type body interface {
	io.ReadCloser
	// segments are where the data are, in ascending order; all is, if
	// sparse is false. Read reads them one after the other.
	segments() (data []unboot.Extent, sparse bool)
	// holes says that there are holes, but where cannot be told: runs of
	// zeros will be some, as for cp --sparse.
	holes() bool
}

// A source is a tree that is read.
type source interface {
	// items walks the tree, a directory before what is in it. Errors about
	// single files come in their items.
	items(ctx context.Context) iter.Seq[*item]
	// load reads what the walk left for later: attributes, and the content
	// of small files. It is called from several goroutines.
	load(items []*item)
	// open opens a file that load did not read. It is used before the next
	// item is.
	open(it *item) (body, error)
	// label is how messages call an item.
	label(path string) string
}

// A sink is a tree that is written. What it returns is an error that ends the
// work; errors about single files it reports by itself.
type sink interface {
	add(it *item, src source) error
	// finish writes what could not be before the last item was there.
	finish() error
}

const (
	// smallFile is up to what size files are loaded ahead.
	smallFile = 128 << 10
	// A batch of items goes through the goroutines at once: their number
	// and bytes bound what waits in memory.
	batchItems  = 40
	batchBytes  = 512 << 10
	loadWorkers = 6
)

// A batch is a run of items that are loaded by one goroutine.
type batch struct {
	items []*item
	size  int64
	ready chan struct{}
}

// transfer moves a tree: one goroutine walks ahead, several load, and this one
// puts, in the order of the walk.
func transfer(ctx context.Context, src source, dst sink) error {
	ctx, cancel := context.WithCancel(ctx)
	ordered := make(chan *batch, 2*loadWorkers)
	work := make(chan *batch, 2*loadWorkers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	for range loadWorkers {
		wg.Go(func() {
			for b := range work {
				if ctx.Err() == nil {
					src.load(b.items)
				}
				close(b.ready)
			}
		})
	}
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		b := &batch{ready: make(chan struct{})}
		send := func() bool {
			select {
			case ordered <- b:
			case <-ctx.Done():
				return false
			}
			work <- b // has room for all that ordered has
			b = &batch{ready: make(chan struct{})}
			return true
		}
		for it := range src.items(ctx) {
			b.items = append(b.items, it)
			if it.meta.Size <= smallFile {
				b.size += it.meta.Size
			}
			if (len(b.items) >= batchItems || b.size >= batchBytes) && !send() {
				return
			}
		}
		if len(b.items) > 0 {
			send()
		}
	})

	stand := standIns{}
	for b := range ordered {
		<-b.ready
		for _, it := range b.items {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := stand.add(it, src, dst); err != nil {
				return err
			}
			it.data = nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return dst.finish()
}

// standIns knows what stands in for files with several names that were left out by
// their first: the next name that was not, or "" as long as there is none. A link to
// what was left out would be one to something else, or to nothing.
type standIns map[string]string

// add puts an item.
func (s standIns) add(it *item, src source, dst sink) error {
	first := it.path
	if it.hard != "" {
		first = it.hard
		switch other, ok := s[first]; {
		case ok && other == "":
			it.hard = ""
			src.load([]*item{it})
		case ok:
			it.hard = other
		}
	}
	if err := dst.add(it, src); err != nil {
		return err
	}
	switch {
	case it.hard != "":
	case it.left && (it.shared || first != it.path):
		s[first] = ""
	case first != it.path:
		s[first] = it.path
	}
	return nil
}

// A linkTable knows the first path of each file with several.
type linkTable map[linkKey]string

type linkKey struct{ dev, ino uint64 }

// first returns the earlier path of a file, or "" and remembers this one.
func (t linkTable) first(dev, ino uint64, path string) string {
	k := linkKey{dev, ino}
	if p, ok := t[k]; ok {
		return p
	}
	t[k] = path
	return ""
}

// A sectionBody is the body of a file that can be read anywhere.
type sectionBody struct {
	file interface {
		io.ReaderAt
		io.Closer
	}
	whole  io.Reader // the file itself, if it is not sparse
	data   []unboot.Extent
	sparse bool
	vague  bool // see holes
	next   int
	cur    io.Reader
}

func (b *sectionBody) segments() ([]unboot.Extent, bool) { return b.data, b.sparse }
func (b *sectionBody) holes() bool                       { return b.vague }
func (b *sectionBody) Close() error                      { return b.file.Close() }

func (b *sectionBody) Read(p []byte) (int, error) {
	if !b.sparse {
		return b.whole.Read(p)
	}
	for {
		if b.cur != nil {
			n, err := b.cur.Read(p)
			if n > 0 || err != io.EOF {
				return n, err
			}
		}
		if b.next == len(b.data) {
			return 0, io.EOF
		}
		e := b.data[b.next]
		b.next++
		b.cur = io.NewSectionReader(b.file, e.Offset, e.Length)
	}
}

// WriteTo lets a file of an image write itself.
func (b *sectionBody) WriteTo(w io.Writer) (int64, error) {
	if w2, ok := b.whole.(io.WriterTo); ok && !b.sparse {
		return w2.WriteTo(w)
	}
	return io.CopyBuffer(w, struct{ io.Reader }{b}, make([]byte, 1<<20))
}
