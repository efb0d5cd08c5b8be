// Package inflate decompresses DEFLATE, as RFC 1951 has it, from one slice of bytes into
// another.
//
// Images store their disks in pieces that are compressed by themselves, each of which fits into
// memory with what it decompresses to. A decompressor that knows both as a whole needs no window
// of its own, no state between calls and no check for each byte, and takes half the time
// of one that reads a stream.
package inflate

import (
	"encoding/binary"
	"errors"
	"hash/adler32"
	"math/bits"
	"sync"
)

var (
	// ErrCorrupt is returned for what is not DEFLATE.
	ErrCorrupt = errors.New("corrupt deflate stream")
	// ErrShort is returned for a stream that was cut off.
	ErrShort = errors.New("the deflate stream is cut off")
	// ErrHeader is returned for what does not begin as RFC 1950 has it.
	ErrHeader = errors.New("no zlib header")
	// ErrChecksum is returned for what decompresses to something else than it was made of.
	ErrChecksum = errors.New("wrong checksum after a zlib stream")
	// ErrLong is returned for a stream that decompresses to more than there is room for.
	ErrLong = errors.New("there is more than there is room for")
)

// Decompress decompresses a stream that begins with src into dst, and returns how many bytes it
// has. Decompress stops when dst is full, whatever follows. What follows the stream is ignored.
func Decompress(dst, src []byte) (int, error) {
	n, _, err := decompress(dst, src)
	if n == len(dst) {
		err = nil
	}
	return n, err
}

// Zlib is Decompress of a stream with the header and the checksum of RFC 1950, which is verified. If
// there is more than dst has room for, that is full, and the error [ErrLong].
func Zlib(dst, src []byte) (int, error) {
	const method, dictionary = 8, 0x20
	if len(src) < 2 {
		return 0, ErrShort
	}
	if h := binary.BigEndian.Uint16(src); src[0]&0xf != method || src[0]>>4 > 7 || h&dictionary != 0 || h%31 != 0 {
		return 0, ErrHeader
	}
	n, used, err := decompress(dst, src[2:])
	switch sum := src[min(2+used, len(src)):]; {
	case err != nil:
		return n, err
	case len(sum) < 4:
		return n, ErrShort
	case binary.BigEndian.Uint32(sum) != adler32.Checksum(dst[:n]):
		return n, ErrChecksum
	}
	return n, nil
}

// decompress also returns how long the stream is.
func decompress(dst, src []byte) (n, used int, err error) {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.dst, d.src = dst, src
	d.out, d.pos, d.bits, d.left = 0, 0, 0, 0
	err = d.run()
	d.dst, d.src = nil, nil
	return d.out, d.pos - int(d.left>>3), err
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

const (
	mainBits = 11 // of the first table of literals and lengths
	distBits = 8  // of that of distances

	// The most entries that tables of codes of up to 15 bits can have, with those that the
	// first table points to: what zlib's enough.c says for 288 and 32 symbols.
	mainSize = 2342
	distSize = 402

	maxMatch = 258
)

// Entries of the tables. The low byte is how many bits are taken: those of the code and, of
// lengths and distances, those that follow it.
const (
	literal     = 1 << 31 // the byte is in bits 16 to 23
	exceptional = 1 << 15 // one of the following
	subtable    = 1 << 14 // it begins at bits 16…, and has a number of bits in bits 8 to 11
	endOfBlock  = 1 << 13
	// else the code is not used. Of lengths and distances, the base is in bits 16…, and the
	// length of the code in bits 8 to 11.
)

type decoder struct {
	dst, src []byte
	out, pos int
	bits     uint64 // that were read, the next one lowest
	left     uint   // how many of them count

	main [mainSize]uint32
	dist [distSize]uint32
	// fixed says that the tables are those of the fixed codes.
	fixed bool
}

func (d *decoder) run() error {
	for {
		if !d.need(3) {
			return ErrShort
		}
		last, kind := d.bits&1, d.bits>>1&3
		d.take(3)
		var err error
		switch kind {
		case 0:
			err = d.stored()
		case 1:
			if !d.fixed {
				d.fixedTables()
			}
			err = d.block()
		case 2:
			if err = d.dynamicTables(); err == nil {
				err = d.block()
			}
		default:
			err = ErrCorrupt
		}
		if err != nil || last != 0 {
			return err
		}
	}
}

// fill reads so many whole bytes that there are at least 56 bits, or all.
func (d *decoder) fill() {
	if d.pos+8 <= len(d.src) {
		d.bits |= binary.LittleEndian.Uint64(d.src[d.pos:]) << (d.left & 63)
		d.pos += int((63 - d.left) >> 3)
		d.left |= 56
		return
	}
	for d.left < 56 && d.pos < len(d.src) {
		d.bits |= uint64(d.src[d.pos]) << d.left
		d.pos++
		d.left += 8
	}
}

// need reports whether there are n bits, of up to 56.
func (d *decoder) need(n uint) bool {
	if d.left < n {
		d.fill()
	}
	return d.left >= n
}

func (d *decoder) take(n uint) {
	d.bits >>= n & 63
	d.left -= n
}

// stored copies a block that is not compressed.
func (d *decoder) stored() error {
	// Whole bytes that were read go back.
	d.pos -= int(d.left >> 3)
	d.bits, d.left = 0, 0
	if len(d.src)-d.pos < 4 {
		return ErrShort
	}
	n, not := binary.LittleEndian.Uint16(d.src[d.pos:]), binary.LittleEndian.Uint16(d.src[d.pos+2:])
	if n != ^not {
		return ErrCorrupt
	}
	d.pos += 4
	from := d.src[d.pos:]
	done := copy(d.dst[d.out:], from[:min(int(n), len(from))])
	d.pos, d.out = d.pos+done, d.out+done
	switch {
	case done == int(n):
		return nil
	case d.out == len(d.dst):
		return ErrLong
	}
	return ErrShort
}

// block decompresses a block whose tables have been made, to its end or until dst is full.
func (d *decoder) block() error {
	if done, err := d.fast(); done || err != nil {
		return err
	}
	for {
		d.fill()
		e := d.main[d.bits&(1<<mainBits-1)]
		if e&(exceptional|subtable) == exceptional|subtable {
			e = d.sub(e, d.main[:], mainBits)
		}
		n := uint(e & 0xff)
		switch {
		case n > d.left:
			return ErrShort
		case e&literal != 0:
			if d.out == len(d.dst) {
				return ErrLong
			}
			d.dst[d.out] = byte(e >> 16)
			d.out++
			d.take(n)
			continue
		case e&exceptional != 0:
			d.take(n)
			if e&endOfBlock != 0 {
				return nil
			}
			if d.left == 0 && d.pos == len(d.src) {
				return ErrShort
			}
			return ErrCorrupt
		}
		length := int(d.value(e))
		d.fill()
		e = d.dist[d.bits&(1<<distBits-1)]
		if e&(exceptional|subtable) == exceptional|subtable {
			e = d.sub(e, d.dist[:], distBits)
		}
		if e&exceptional != 0 {
			return ErrCorrupt
		}
		if uint(e&0xff) > d.left {
			return ErrShort
		}
		distance := int(d.value(e))
		if distance > d.out {
			return ErrCorrupt
		}
		room := len(d.dst) - d.out
		for range min(length, room) {
			d.dst[d.out] = d.dst[d.out-distance]
			d.out++
		}
		if length > room {
			return ErrLong
		}
	}
}

// sub returns the entry of a table that e points to. Its length does not count the bits of
// the first table, which are taken; of those that are not there, the next check says so.
func (d *decoder) sub(e uint32, table []uint32, first uint) uint32 {
	if d.left < first {
		return exceptional | 0xff
	}
	d.take(first)
	return table[uint64(e>>16)+d.bits&(1<<(e>>8&15)-1)]
}

// value takes the code and the bits after it of a length or a distance.
func (d *decoder) value(e uint32) uint64 {
	n := uint(e & 0xff)
	v := uint64(e>>16) + d.bits&(1<<(n&63)-1)>>(e>>8&15)
	d.take(n)
	return v
}

// fast decompresses as long as neither end is near, so that no check for each byte is needed.
// It reports whether the block has ended.
//
// What changes is in variables that nothing else refers to, so that it is in registers. The entry
// for what comes next is looked up before what came last is dealt with, which hides how long the
// memory takes.
func (d *decoder) fast() (done bool, err error) {
	dst, src := d.dst, d.src
	out, pos, b, left := d.out, d.pos, d.bits, d.left
	main, dist := &d.main, &d.dist
	// Two literals may come before a match, and three words are read.
	lastOut, lastPos := len(dst)-maxMatch-copyRoom-2, len(src)-24
	if out > lastOut || pos > lastPos {
		return false, nil
	}
	b |= binary.LittleEndian.Uint64(src[pos:]) << (left & 63)
	pos += int((63 - left) >> 3)
	left |= 56
	e := main[b&(1<<mainBits-1)]
loop:
	for out <= lastOut && pos <= lastPos {
		// There are 56 bits. Three literals take 33 at most, and with two of them
		// what follows takes 20.
		if e&literal != 0 {
			b >>= e & 63
			left -= uint(e & 63)
			dst[out] = byte(e >> 16)
			out++
			if e = main[b&(1<<mainBits-1)]; e&literal != 0 {
				b >>= e & 63
				left -= uint(e & 63)
				dst[out] = byte(e >> 16)
				out++
				if e = main[b&(1<<mainBits-1)]; e&literal != 0 {
					b >>= e & 63
					left -= uint(e & 63)
					dst[out] = byte(e >> 16)
					out++
					b |= binary.LittleEndian.Uint64(src[pos:]) << (left & 63)
					pos += int((63 - left) >> 3)
					left |= 56
					e = main[b&(1<<mainBits-1)]
					continue
				}
			}
		}
		if e&exceptional != 0 {
			if e&subtable != 0 {
				b >>= mainBits
				left -= mainBits
				e = main[uint64(e>>16)+b&(1<<(e>>8&15)-1)]
			}
			switch {
			case e&literal != 0:
				b >>= e & 63
				left -= uint(e & 63)
				dst[out] = byte(e >> 16)
				out++
				b |= binary.LittleEndian.Uint64(src[pos:]) << (left & 63)
				pos += int((63 - left) >> 3)
				left |= 56
				e = main[b&(1<<mainBits-1)]
				continue
			case e&exceptional != 0:
				b >>= e & 63
				left -= uint(e & 63)
				if done = e&endOfBlock != 0; !done {
					err = ErrCorrupt
				}
				break loop
			}
		}
		n := e & 63
		length := int(uint64(e>>16) + b&(1<<n-1)>>(e>>8&15))
		b >>= n
		left -= uint(n)

		b |= binary.LittleEndian.Uint64(src[pos:]) << (left & 63)
		pos += int((63 - left) >> 3)
		left |= 56
		e = dist[b&(1<<distBits-1)]
		if e&exceptional != 0 {
			if e&subtable != 0 {
				b >>= distBits
				left -= distBits
				e = dist[uint64(e>>16)+b&(1<<(e>>8&15)-1)]
			}
			if e&exceptional != 0 {
				err = ErrCorrupt
				break
			}
		}
		n = e & 63
		distance := int(uint64(e>>16) + b&(1<<n-1)>>(e>>8&15))
		b >>= n
		left -= uint(n)
		if distance > out {
			err = ErrCorrupt
			break
		}
		b |= binary.LittleEndian.Uint64(src[pos:]) << (left & 63)
		pos += int((63 - left) >> 3)
		left |= 56
		e = main[b&(1<<mainBits-1)]
		if distance >= 16 && length <= 32 {
			from, to := dst[out-distance:][:32], dst[out:][:32]
			*(*[16]byte)(to) = *(*[16]byte)(from)
			*(*[16]byte)(to[16:]) = *(*[16]byte)(from[16:])
		} else {
			match(dst, out, distance, length)
		}
		out += length
	}
	d.out, d.pos, d.bits, d.left = out, pos, b, left
	return done, err
}

// copyRoom is how many bytes after a match may be written to.
const copyRoom = 32

// match copies what is distance bytes before out.
func match(dst []byte, out, distance, length int) {
	from, to := dst[out-distance:], dst[out:out+length+16]
	switch {
	case distance >= 16:
		if length > 64 && distance >= length {
			copy(to[:length], from)
			return
		}
		for i := 0; i < length; i += 16 {
			*(*[16]byte)(to[i:]) = *(*[16]byte)(from[i:])
		}
	case distance >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
		}
	case distance == 1:
		v := uint64(from[0]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], v)
		}
	default:
		for i := range length {
			to[i] = from[i]
		}
	}
}

// build makes the tables of a code from the lengths of its symbols. entry has what stands in
// the table for a symbol, without the bits of the code.
func build(table []uint32, first uint, lengths []uint8, entry func(symbol int, bits uint32) uint32) error {
	var count [16]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	room, used := 1, 0
	for n := 1; n < 16; n++ {
		room = room<<1 - count[n]
		used += count[n]
		if room < 0 {
			return ErrCorrupt // more codes than there can be
		}
	}
	if room > 0 {
		// One code may be of one bit, and there may be no distances.
		if used > 1 || used == 1 && count[1] != 1 {
			return ErrCorrupt
		}
		for i := range 1 << first {
			table[i] = exceptional | 1
		}
	}
	var at [16]int
	for n := 1; n < 15; n++ {
		at[n+1] = at[n] + count[n]
	}
	var sorted [288]uint16
	for s, n := range lengths {
		if n != 0 {
			sorted[at[n]] = uint16(s)
			at[n]++
		}
	}
	code, i := uint32(0), 0
	next := 1 << first // where the next table begins
	prefix, sub, subBits := uint32(1<<16), 0, uint(0)
	for n := uint(1); n < 16; n++ {
		for left := count[n]; left > 0; left-- {
			s := int(sorted[i])
			i++
			reversed := bits.Reverse32(code) >> (32 - n)
			code++
			if n <= first {
				e := entry(s, uint32(n))
				for j := reversed; j < 1<<first; j += 1 << n {
					table[j] = e
				}
				continue
			}
			if p := reversed & (1<<first - 1); p != prefix {
				// As many bits as the codes with this beginning have.
				prefix, sub, subBits = p, next, n-first
				for space := 1<<subBits - left; space > 0 && subBits+first < 15; {
					subBits++
					space = space<<1 - count[subBits+first]
				}
				next += 1 << subBits
				if next > len(table) {
					return ErrCorrupt
				}
				table[p] = exceptional | subtable | uint32(sub)<<16 | uint32(subBits)<<8 | uint32(first)
			}
			e := entry(s, uint32(n-first))
			for j := reversed >> first; j < 1<<subBits; j += 1 << (n - first) {
				table[sub+int(j)] = e
			}
		}
		code <<= 1
	}
	return nil
}

var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// codeOrder is the order of the lengths of the code of lengths.
	codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

func mainEntry(s int, n uint32) uint32 {
	switch {
	case s < 256:
		return literal | uint32(s)<<16 | n
	case s == 256:
		return exceptional | endOfBlock | n
	case s-257 < len(lengthBase):
		return uint32(lengthBase[s-257])<<16 | n<<8 | n + uint32(lengthExtra[s-257])
	}
	return exceptional | n
}

func distEntry(s int, n uint32) uint32 {
	if s < len(distBase) {
		return uint32(distBase[s])<<16 | n<<8 | n + uint32(distExtra[s])
	}
	return exceptional | n
}

func (d *decoder) tables(main, dist []uint8) error {
	if err := build(d.main[:], mainBits, main, mainEntry); err != nil {
		return err
	}
	return build(d.dist[:], distBits, dist, distEntry)
}

// fixedTables makes the tables of the codes that every stream can use.
func (d *decoder) fixedTables() {
	var main [288]uint8
	var dist [32]uint8
	for i := range main {
		switch {
		case i < 144, i >= 280:
			main[i] = 8
		case i < 256:
			main[i] = 9
		default:
			main[i] = 7
		}
	}
	for i := range dist {
		dist[i] = 5
	}
	d.tables(main[:], dist[:]) // which are complete
	d.fixed = true
}

// dynamicTables reads the codes of a block.
func (d *decoder) dynamicTables() error {
	d.fixed = false
	if !d.need(14) {
		return ErrShort
	}
	nMain, nDist, nCode := int(d.bits&31)+257, int(d.bits>>5&31)+1, int(d.bits>>10&15)+4
	d.take(14)
	if nMain > 286 || nDist > 30 {
		return ErrCorrupt
	}
	var order [19]uint8
	for i := range nCode {
		if !d.need(3) {
			return ErrShort
		}
		order[codeOrder[i]] = uint8(d.bits & 7)
		d.take(3)
	}
	const codeBits = 7
	var code [1 << codeBits]uint32
	if err := build(code[:], codeBits, order[:], func(s int, n uint32) uint32 { return uint32(s)<<16 | n }); err != nil {
		return err
	}
	var lengths [286 + 30 + 138]uint8
	n := nMain + nDist
	for i := 0; i < n; {
		d.need(codeBits + 7) // or what there is
		e := code[d.bits&(1<<codeBits-1)]
		if e&exceptional != 0 {
			return ErrCorrupt
		}
		take, s := uint(e&0xff), e>>16
		if take > d.left {
			return ErrShort
		}
		d.take(take)
		if s < 16 {
			lengths[i] = uint8(s)
			i++
			continue
		}
		var value uint8
		extra, times := uint(2), 3
		switch s {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value = lengths[i-1]
		case 17:
			extra = 3
		case 18:
			extra, times = 7, 11
		}
		if extra > d.left {
			return ErrShort
		}
		times += int(d.bits & (1<<extra - 1))
		d.take(extra)
		if i+times > n {
			return ErrCorrupt
		}
		for range times {
			lengths[i] = value
			i++
		}
	}
	if lengths[256] == 0 {
		return ErrCorrupt // the block would have no end
	}
	return d.tables(lengths[:nMain], lengths[nMain:n])
}
