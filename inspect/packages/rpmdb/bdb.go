package rpmdb

import "encoding/binary"

// A hash of Berkeley DB is an array of pages: page 0 describes it, others hold pairs
// of items, or a part of an item that is too large for a page. Numbers are in the order
// of the machine that made it. See db_page.h.
const (
	bdbMeta      = 72 // bytes of page 0 that are the same for all kinds of databases
	bdbMagic     = 0x00061561
	bdbPageHead  = 26 // bytes
	bdbHashOld   = 2  // types of pages
	bdbOverflow  = 7
	bdbHashMeta  = 8
	bdbHash      = 13
	bdbItem      = 1 // types of items
	bdbItemOff   = 3
	bdbOffLength = 12 // bytes of an item that is elsewhere
)

// bdbOrder returns the byte order of a hash's first page, or nil if it is none.
func bdbOrder(head []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(head[12:]) == bdbMagic {
			return order
		}
	}
	return nil
}

// bdbFile is a hash that is being read.
type bdbFile struct {
	*file
	order binary.ByteOrder
	page  int64 // bytes
}

// bdb reads all pages of a hash in turn. Which bucket a page belongs to does not matter to
// a reader that wants every item.
func (f *file) bdb(head []byte) error {
	b := &bdbFile{file: f, order: bdbOrder(head)}
	b.page = int64(b.order.Uint32(head[20:]))
	if b.page < 512 || b.page > 65536 || b.page&(b.page-1) != 0 || head[25] != bdbHashMeta {
		return corrupt("a hash with pages of %d bytes", b.page)
	}
	if head[24] != 0 {
		return corrupt("it is encrypted")
	}
	page := make([]byte, b.page)
	// The number of the last page is a claim; a truncated file has fewer.
	last := min(int64(b.order.Uint32(head[32:])), f.size/b.page-1)
	for n := int64(1); n <= last; n++ {
		if err := b.read(page, n*b.page); err != nil {
			return err
		}
		if page[25] != bdbHash && page[25] != bdbHashOld {
			continue
		}
		if err := b.pairs(page); err != nil {
			return err
		}
	}
	return nil
}

// pairs yields the values on a page. The key of a value is the number of the package;
// 0 has the next one to give away.
func (b *bdbFile) pairs(page []byte) error {
	count := int(b.order.Uint16(page[20:]))
	if bdbPageHead+2*count > len(page) {
		return b.fail(corrupt("a page with %d items", count))
	}
	// Items are stored from the end of the page towards its beginning, so that each ends
	// where the one before it starts: none can overlap another.
	end := len(page)
	for i := 0; i+1 < count; i += 2 {
		at := int(b.order.Uint16(page[bdbPageHead+2*i:]))
		value := int(b.order.Uint16(page[bdbPageHead+2*i+2:]))
		if at >= end || value >= at || value < bdbPageHead+2*count {
			return b.fail(corrupt("an item at %d of a page", at))
		}
		key, item := page[at:end], page[value:at]
		end = value
		if key[0] != bdbItem || len(key) != 5 || b.order.Uint32(key[1:]) == 0 {
			continue
		}
		var err error
		switch {
		case item[0] == bdbItem:
			if err = b.reserve(int64(len(item) - 1)); err == nil {
				err = b.emit(append([]byte(nil), item[1:]...))
				break
			}
			err = b.fail(err)
		case item[0] == bdbItemOff && len(item) >= bdbOffLength:
			var blob []byte
			if blob, err = b.overflow(int64(b.order.Uint32(item[4:])), int64(b.order.Uint32(item[8:]))); err == nil {
				err = b.emit(blob)
				break
			}
			err = b.fail(err)
		default:
			err = b.fail(corrupt("an item of type %d", item[0]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overflow reads a chain of pages. Its length is known and no page in it may be empty, so
// that a circle ends.
func (b *bdbFile) overflow(n, size int64) ([]byte, error) {
	if err := b.reserve(size); err != nil {
		return nil, err
	}
	var blob []byte // grows as pages are there, whatever the size says
	page := make([]byte, b.page)
	for int64(len(blob)) < size {
		if n == 0 {
			return nil, corrupt("a chain of pages ends early")
		}
		if err := b.read(page, n*b.page); err != nil {
			return nil, err
		}
		length := int(b.order.Uint16(page[22:]))
		if page[25] != bdbOverflow || length == 0 || bdbPageHead+length > len(page) {
			return nil, corrupt("page %d is not part of a chain", n)
		}
		blob = append(blob, page[bdbPageHead:bdbPageHead+length]...)
		n = int64(b.order.Uint32(page[16:]))
	}
	if int64(len(blob)) != size {
		return nil, corrupt("a chain of %d bytes for %d", len(blob), size)
	}
	return blob, nil
}
