package unboot

import "iter"

// WalkOptions say how [FS.Walk] is to go. The zero value is the fastest that
// fills Entry.Stat.
type WalkOptions struct {
	// Sorted walks each directory in the order of the bytes of its names;
	// it must then hold all entries of a directory in memory. Otherwise the
	// order is the directory's own, which for the same image is the same
	// each time.
	Sorted bool
	// Links fills Entry.Link.
	Links bool
	// Xattrs fills Entry.XattrSize.
	Xattrs bool
	// OneFileSystem does not go into other file systems that are mounted
	// below root, or subvolumes.
	OneFileSystem bool
	// Mask says what is wanted of Entry.Stat, as that of statx(2); 0 is all
	// there is.
	Mask int
}

// Walk iterates over root and all that is below it: each directory before its
// entries, and one entry's tree before the next entry, as fs.WalkDir. It does
// not follow symbolic links, root included.
// Several directories are read ahead.
//
// An error belongs to the entry that comes with it: a directory that cannot be
// read comes a second time, with the error. The walk goes on unless the loop
// ends it. Only if root cannot be read at all is the entry nil. o may be nil.
func (f *FS) Walk(root string, o *WalkOptions) iter.Seq2[*Entry, error] { panic("not yet") }

// Entries iterates over the entries of one directory, in its own order, with
// bounded memory. An error ends it. o may be nil; its Sorted is ignored.
func (f *FS) Entries(dir string, o *WalkOptions) iter.Seq2[*Entry, error] { panic("not yet") }
