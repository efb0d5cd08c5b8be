package journal

import (
	"bytes"
	"cmp"
	"iter"
	"time"
)

// maxFields bounds those of an entry.
const maxFields = 4096

// A Journal is the entries of some files in order. It is for one goroutine.
type Journal struct {
	heads   []*cursor // in front of their next entries
	started bool
	file    *File // of the entry that Next came to, nil before the first
	entry   entry
}

// New returns the journal of some files, in front of its first entry.
func New(files ...*File) *Journal {
	j := new(Journal)
	for _, f := range files {
		j.heads = append(j.heads, &cursor{f: f})
	}
	return j
}

// Next goes to the next entry, and reports whether there is one. If not, it stays where it
// is.
func (j *Journal) Next() (bool, error) {
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if !j.started {
		j.started = true
		for _, c := range j.heads {
			note(c.advance())
		}
	}
	var least *cursor
	for _, c := range j.heads {
		if !c.ended && (least == nil || compare(c, least) < 0) {
			least = c
		}
	}
	if least == nil {
		return false, first
	}
	// The same entry may be in two files, as after a copy.
	for _, c := range j.heads {
		if c != least && !c.ended && c.hash == least.hash && compare(c, least) == 0 {
			note(c.advance())
		}
	}
	j.file, j.entry = least.f, least.entry
	note(least.advance())
	return true, first
}

// compare orders two entries as journalctl(1) does: by their numbers if one journald has
// numbered both, by the monotonic clock within one boot, or else by the time of day, which
// a machine may set back.
func compare(a, b *cursor) int {
	if a.f.seqnumID == b.f.seqnumID {
		return cmp.Compare(a.seqnum, b.seqnum)
	}
	if a.boot == b.boot {
		if c := cmp.Compare(a.monotonic, b.monotonic); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.realtime, b.realtime), cmp.Compare(a.hash, b.hash))
}

// Skip goes n entries on, or as many as there are, and returns how many.
func (j *Journal) Skip(n int64) (done int64, err error) {
	for done < n {
		more, err := j.Next()
		if err != nil || !more {
			return done, err
		}
		done++
	}
	return done, nil
}

// Time returns when the entry was received, or the zero time before the first.
func (j *Journal) Time() time.Time {
	if j.file == nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(j.entry.realtime)).UTC()
}

// Fields yields the fields of the entry, NAME=VALUE, in the order of the file. A field
// that is longer than limit bytes is cut off there. A field that cannot be read is left
// out; errors are those of the file's reader. The bytes are the caller's.
func (j *Journal) Fields(limit int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, e := j.file, j.entry
		if f == nil {
			return
		}
		step := int64(16) // an offset, and a hash
		if f.compact {
			step = 4
		}
		n := min((e.size-entryItems)/step, maxFields)
		items, err := f.r.view(e.at+entryItems, n*step)
		if err != nil {
			yield(nil, err)
			return
		}
		items = bytes.Clone(items)
		for ; len(items) > 0; items = items[step:] {
			data, err := f.field(f.offset(items), limit)
			if isCorrupt(err) {
				continue
			}
			if !yield(data, err) || err != nil {
				return
			}
		}
	}
}
