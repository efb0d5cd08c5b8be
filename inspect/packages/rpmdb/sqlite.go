package rpmdb

import (
	"encoding/binary"
	"strings"
)

// An SQLite database is an array of pages, those of a table a B-tree. Numbers are in
// big endian. See https://www.sqlite.org/fileformat2.html.
const (
	sqliteMagic    = "SQLite format 3\x00"
	sqliteHead     = 100 // bytes
	sqliteInterior = 5   // kinds of pages of a table
	sqliteLeaf     = 13
	sqliteTable    = "Packages"
	maxDepth       = 20 // of a tree; one of 2^32 pages has less than half of it
)

// sqliteFile is a database that is being read.
type sqliteFile struct {
	*file
	page   int64           // bytes
	usable int64           // of a page
	pages  int64           // number
	log    map[int64]int64 // where the newest copy of a page is in the log
	wal    *cache
	seen   map[int64]bool // the pages of the tree
}

// sqlite finds the table of the packages in the schema, which is a table itself, and
// reads it.
func (f *file) sqlite(db DB, head []byte) error {
	if len(head) < sqliteHead {
		return corrupt("a header of %d bytes", len(head))
	}
	s := &sqliteFile{file: f, page: int64(binary.BigEndian.Uint16(head[16:]))}
	if s.page == 1 { // 65536 does not fit into the field's 16 bits
		s.page = 65536
	}
	s.usable = s.page - int64(head[20])
	if s.page < 512 || s.page&(s.page-1) != 0 || s.usable < 480 {
		return corrupt("pages of %d bytes", s.page)
	}
	s.pages = f.size / s.page
	if db.Log != nil && head[18] == 2 {
		if err := s.openLog(db.Log, db.LogSize); err != nil {
			return err
		}
	}
	root := int64(0)
	err := s.walk(1, func(record []byte) error {
		if row, err := columns(record, 5); err == nil && string(row[0]) == "table" && strings.EqualFold(string(row[1]), sqliteTable) {
			root = number(row[3])
			return errStop
		}
		return nil
	}, nil)
	if err != nil && err != errStop {
		return err
	}
	if root == 0 {
		return corrupt("no table %s", sqliteTable)
	}
	return s.walk(root, func(record []byte) error {
		row, err := columns(record, 2)
		if err != nil {
			return s.fail(err)
		}
		return s.emit(row[1])
	}, s.fail)
}

// walk calls do with each record of a table, in order. A record that cannot be read goes to
// fail or, if that is nil, is skipped: the schema has tables that nobody asks about.
func (s *sqliteFile) walk(root int64, do func([]byte) error, fail func(error) error) error {
	s.seen = map[int64]bool{}
	return s.tree(root, 0, do, fail)
}

func (s *sqliteFile) tree(n int64, depth int, do func([]byte) error, fail func(error) error) error {
	// A page that is met again would make the tree a graph, and the walk exponential.
	if depth > maxDepth || s.seen[n] {
		return corrupt("page %d is in a tree twice", n)
	}
	s.seen[n] = true
	page := make([]byte, s.page)
	if err := s.readPage(page, n); err != nil {
		return err
	}
	head := page
	if n == 1 {
		head = page[sqliteHead:] // offsets of cells count from the page's start still
	}
	kind, cells := head[0], int(binary.BigEndian.Uint16(head[3:]))
	pointers := head[8:]
	if kind == sqliteInterior {
		pointers = head[12:]
	} else if kind != sqliteLeaf {
		return corrupt("page %d is not part of a table", n)
	}
	if 2*cells > len(pointers) {
		return corrupt("page %d has %d cells", n, cells)
	}
	for i := range cells {
		at := int64(binary.BigEndian.Uint16(pointers[2*i:]))
		if at+4 > s.usable {
			return corrupt("a cell of page %d is past its end", n)
		}
		if kind == sqliteInterior {
			if err := s.tree(int64(binary.BigEndian.Uint32(page[at:])), depth+1, do, fail); err != nil {
				return err
			}
			continue
		}
		record, err := s.cell(page[at:s.usable])
		switch {
		case err == nil:
			err = do(record)
		case fail != nil:
			err = fail(err)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInterior {
		return s.tree(int64(binary.BigEndian.Uint32(head[8:])), depth+1, do, fail)
	}
	return nil
}

// cell returns the record of a leaf's cell: its length, its number, and its start; the
// rest is in a chain of pages.
func (s *sqliteFile) cell(b []byte) ([]byte, error) {
	size, b, ok := varint(b)
	if ok {
		_, b, ok = varint(b)
	}
	if !ok {
		return nil, corrupt("a cell without a length")
	}
	if err := s.reserve(size); err != nil {
		return nil, err
	}
	// How much of a record is on the leaf follows from its size alone ("Cell Payload
	// Overflow Pages" of the format's description).
	local := size
	if most := s.usable - 35; size > most {
		least := (s.usable-12)*32/255 - 23
		if local = least + (size-least)%(s.usable-4); local > most {
			local = least
		}
	}
	if local > int64(len(b)) {
		return nil, corrupt("a cell is larger than its page")
	}
	record := append([]byte(nil), b[:local]...)
	if local == size {
		return record, nil
	}
	if int64(len(b)) < local+4 {
		return nil, corrupt("a cell is larger than its page")
	}
	next := int64(binary.BigEndian.Uint32(b[local:]))
	page := make([]byte, s.page)
	for int64(len(record)) < size {
		if err := s.readPage(page, next); err != nil {
			return nil, err
		}
		next = int64(binary.BigEndian.Uint32(page))
		record = append(record, page[4:min(s.usable, 4+size-int64(len(record)))]...)
	}
	return record, nil
}

// readPage reads a page, counted from 1: from the log if it is there.
func (s *sqliteFile) readPage(p []byte, n int64) error {
	if at, ok := s.log[n]; ok {
		return s.wal.read(p, at)
	}
	if n < 1 || n > s.pages {
		return corrupt("there is no page %d", n)
	}
	return s.read(p, (n-1)*s.page)
}
