package treecopy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"

	"github.com/unboot/unboot"
)

// An Item is a file on its way from one tree to another.
type Item struct {
	// Path is relative to the tree that is moved, "." is its root.
	Path string
	// Name is the member's name as its archive spells it, or "".
	Name string
	Meta unboot.Metadata
	// Hard is the path of an earlier item that this is another name of, or "".
	Hard string
	// Err is why it could not be read.
	Err error

	// shared says that later items may be other names of this one.
	shared bool
	// data is the whole content of a regular file, if loaded says so.
	data   []byte
	loaded bool
	// left is set by a sink that has left the item out.
	left bool

	entry *unboot.Entry // where it comes from, in an image
}

// A Source is a tree that is read: an [ImageSource], a [HostSource] or a [TarSource].
type Source interface {
	// items walks the tree, a directory before what is in it. Errors about
	// single files come in their items; others end the walk.
	items(ctx context.Context) iter.Seq2[*Item, error]
	// ahead reports whether the walk may go ahead of what was put. An archive's
	// cannot: it is read from one end to the other.
	ahead() bool
	// load reads what the walk left for later: attributes, and the content
	// of small files. It is called from several goroutines.
	load(items []*Item)
	// open opens a file that load did not read. It is used before the next
	// item is.
	open(it *Item) (body, error)
	// label is how messages call an item.
	label(it *Item) string
}

// A Sink is a tree that is written: an [ImageSink], a [HostSink] or a [TarSink].
type Sink interface {
	start()
	// add puts an item. What it returns ends the work; errors about single
	// files it reports by itself.
	add(it *Item, src Source) error
	// finish writes what could not be before the last item was there.
	finish() error
	// close lets go of what start has taken. It is called whatever has happened.
	close()
}

// A body is the content of a large regular file.
type body interface {
	io.ReadCloser
	// segments are where the data are, in ascending order; all is, if
	// sparse is false. Read reads them one after the other.
	segments() (data []unboot.Extent, sparse bool)
	// holes says that there are holes, but where cannot be found out: runs of
	// zeros will be some, as for cp --sparse.
	holes() bool
}

// cause takes away the operation and the path of an error whose name a message gives
// already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// A linkTable knows the first path of each file with several.
type linkTable map[FileID]string

// A FileID identifies a file by its device and inode number.
type FileID struct{ Dev, Ino uint64 }

// first returns the earlier path of a file, or "" and remembers this one.
func (t *linkTable) first(id FileID, path string) string {
	if p, ok := (*t)[id]; ok {
		return p
	}
	if *t == nil {
		*t = linkTable{}
	}
	(*t)[id] = path
	return ""
}
