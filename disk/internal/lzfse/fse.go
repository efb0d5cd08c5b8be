package lzfse

import "math/bits"

// The numbers of symbols and of states, of the lengths of literals, of matches, of
// distances, and of literals.
const (
	symbolsL, symbolsM, symbolsD, symbolsLiteral = 20, 20, 64, 256
	statesL, statesM, statesD, statesLiteral     = 64, 64, 256, 1024
)

// An entry says what a state stands for, and how the next one is found.
type entry struct {
	symbol uint8
	k      uint8 // bits to read, added to delta
	delta  int16
}

// newTable makes the table of states of symbols that occur so often.
func newTable(freq []uint16, states int) ([]entry, error) {
	t := make([]entry, 0, states)
	for symbol, f := range freq {
		f := int(f)
		if f == 0 {
			continue
		}
		if len(t)+f > states {
			return nil, damaged("symbols have more than %d states", states)
		}
		k := bits.Len(uint(states)) - bits.Len(uint(f))
		few := 2*states>>k - f // states that read k bits; the others read one less
		for j := range f {
			e := entry{symbol: uint8(symbol)}
			if j < few {
				e.k, e.delta = uint8(k), int16((f+j)<<k-states)
			} else {
				e.k, e.delta = uint8(k-1), int16((j-few)<<(k-1))
			}
			t = append(t, e)
		}
	}
	return t[:states], nil // the rest is zeros
}

// A state is one of a table.
type state struct {
	table []entry
	n     int
}

// next returns the symbol of the state, and goes to the next one.
func (s *state) next(r *reader) int {
	if s.n < 0 || s.n >= len(s.table) {
		r.failed = true
		return 0
	}
	e := s.table[s.n]
	s.n = int(e.delta) + r.bits(int(e.k))
	return int(e.symbol)
}

// A reader reads bits from the end of its bytes on.
type reader struct {
	b      []byte
	pos    int // bits that are left
	failed bool
}

// newReader returns a reader of b, the last -unused bits of which are not there.
func newReader(b []byte, unused int) *reader { return &reader{b: b, pos: len(b)*8 + unused} }

// bits reads up to 16 bits.
func (r *reader) bits(n int) int {
	if n > r.pos {
		r.failed = true
		return 0
	}
	r.pos -= n
	v := 0
	for i := range 3 {
		if at := r.pos/8 + i; at < len(r.b) {
			v |= int(r.b[at]) << (8 * i)
		}
	}
	return v >> (r.pos % 8) & (1<<n - 1)
}
