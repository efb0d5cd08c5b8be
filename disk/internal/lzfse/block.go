package lzfse

const (
	blockHeader = 32
	maxLiterals = 40000
	maxMatches  = 10000
)

// A header is that of a block of literals and matches.
type header struct {
	raw                 int
	literals, matches   int
	literalSize, size   int // bytes of the literals, and of the matches
	literalBits, bits   int // of their last bytes that are not used, as negative numbers
	literalStates       [4]int
	stateL, stateM      int
	stateD              int
	headerSize          int
	freqL, freqM, freqD []uint16
	freqLiteral         []uint16
}

// field returns n bits of v from one on.
func field(v uint64, from, n int) int { return int(v >> from & (1<<n - 1)) }

func parseHeader(b []byte) (*header, error) {
	if len(b) < blockHeader {
		return nil, damaged("its header is cut off")
	}
	v := [3]uint64{le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])}
	h := &header{
		raw:      int(le.Uint32(b[4:])),
		literals: field(v[0], 0, 20), literalSize: field(v[0], 20, 20),
		matches: field(v[0], 40, 20), literalBits: field(v[0], 60, 3) - 7,
		size: field(v[1], 40, 20), bits: field(v[1], 60, 3) - 7,
		headerSize: field(v[2], 0, 32),
		stateL:     field(v[2], 32, 10), stateM: field(v[2], 42, 10), stateD: field(v[2], 52, 10),
	}
	for i := range h.literalStates {
		h.literalStates[i] = field(v[1], 10*i, 10)
	}
	switch {
	case h.literals > maxLiterals || h.literals%4 != 0 || h.matches > maxMatches:
		return nil, damaged("it has %d literals and %d matches", h.literals, h.matches)
	case h.headerSize < blockHeader || h.headerSize > len(b) || h.literalSize+h.size > len(b)-h.headerSize:
		return nil, damaged("it is cut off")
	}
	freq, err := frequencies(b[blockHeader:h.headerSize])
	if err != nil {
		return nil, err
	}
	h.freqL, freq = freq[:symbolsL], freq[symbolsL:]
	h.freqM, freq = freq[:symbolsM], freq[symbolsM:]
	h.freqD, h.freqLiteral = freq[:symbolsD], freq[symbolsD:]
	return h, nil
}

// Short frequencies have codes of 2, 3 or 5 bits, by their last 5 bits.
var (
	codeBits   = [32]uint8{2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14, 2, 3, 2, 5, 2, 3, 2, 8, 2, 3, 2, 5, 2, 3, 2, 14}
	codeValues = [32]uint16{0, 2, 1, 4, 0, 3, 1, 0, 0, 2, 1, 5, 0, 3, 1, 0, 0, 2, 1, 6, 0, 3, 1, 0, 0, 2, 1, 7, 0, 3, 1, 0}
)

// frequencies decodes how often all symbols occur. Without a byte, they do not.
func frequencies(b []byte) ([]uint16, error) {
	freq := make([]uint16, symbolsL+symbolsM+symbolsD+symbolsLiteral)
	if len(b) == 0 {
		return freq, nil
	}
	acc, n := uint32(0), 0
	for i := range freq {
		for ; len(b) > 0 && n+8 <= 32; b = b[1:] {
			acc |= uint32(b[0]) << n
			n += 8
		}
		size := int(codeBits[acc&31])
		if size > n {
			return nil, damaged("its tables are cut off")
		}
		switch size {
		case 8:
			freq[i] = 8 + uint16(acc>>4&0xf)
		case 14:
			freq[i] = 24 + uint16(acc>>4&0x3ff)
		default:
			freq[i] = codeValues[acc&31]
		}
		acc >>= size
		n -= size
	}
	return freq, nil
}

// values are the numbers that symbols stand for: from a base on, with so many bits to add.
type values struct {
	base []int
	bits []int
}

func newValues(bits ...int) values {
	v := values{make([]int, len(bits)), bits}
	for i := 1; i < len(bits); i++ {
		v.base[i] = v.base[i-1] + 1<<bits[i-1]
	}
	return v
}

var (
	valuesL = newValues(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 5, 8)
	valuesM = newValues(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 8, 11)
	valuesD = distances()
)

func distances() values {
	bits := make([]int, symbolsD)
	for i := range bits {
		bits[i] = i / 4
	}
	return newValues(bits...)
}

// value reads the next number: the bits of the next state come before those of the value.
func (s *state) value(r *reader, v *values) int {
	symbol := s.next(r)
	return v.base[symbol] + r.bits(v.bits[symbol])
}

// decodeBlock appends what a block has, up to a length of limit, and returns the size of the
// block, too.
func decodeBlock(out []byte, limit int, b []byte) ([]byte, int, error) {
	h, err := parseHeader(b)
	if err != nil {
		return out, 0, err
	}
	end := h.headerSize + h.literalSize
	literals, err := h.decodeLiterals(b[h.headerSize:end])
	if err != nil {
		return out, 0, err
	}
	size := end + h.size
	out, err = h.decodeMatches(out, min(limit, len(out)+h.raw), literals, b[end:size])
	return out, size, err
}

func (h *header) decodeLiterals(b []byte) ([]byte, error) {
	table, err := newTable(h.freqLiteral, statesLiteral)
	if err != nil {
		return nil, err
	}
	var s [4]state
	for i := range s {
		s[i] = state{table, h.literalStates[i]}
	}
	r := newReader(b, h.literalBits)
	literals := make([]byte, h.literals)
	for i := range literals {
		literals[i] = byte(s[i%4].next(r))
	}
	if r.failed {
		return nil, damaged("its literals are cut off")
	}
	return literals, nil
}

func (h *header) decodeMatches(out []byte, limit int, literals, b []byte) ([]byte, error) {
	tableL, errL := newTable(h.freqL, statesL)
	tableM, errM := newTable(h.freqM, statesM)
	tableD, errD := newTable(h.freqD, statesD)
	for _, err := range []error{errL, errM, errD} {
		if err != nil {
			return out, err
		}
	}
	l, m, d := state{tableL, h.stateL}, state{tableM, h.stateM}, state{tableD, h.stateD}
	r := newReader(b, h.bits)
	distance := 0
	for range h.matches {
		nl := l.value(r, &valuesL)
		nm := m.value(r, &valuesM)
		if nd := d.value(r, &valuesD); nd != 0 {
			distance = nd
		}
		if r.failed || nl > len(literals) {
			return out, damaged("its matches are cut off")
		}
		out = append(out, literals[:min(nl, limit-len(out))]...)
		literals = literals[nl:]
		if nm > 0 && len(out) < limit {
			var err error
			if out, err = match(out, nm, distance, limit); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}
