package lzfse

// lzvn appends n bytes that an LZVN stream has. It has some more, maybe.
func lzvn(out []byte, n int, in []byte) ([]byte, error) {
	limit := len(out) + n
	start := len(out)
	d := 0 // of the last match
	for len(out) < limit {
		op := lzvnOp(in)
		if op.size == 0 {
			return out, damaged("it ends after %d bytes of %d, or has an operation that is not one", len(out)-start, n)
		}
		if op.end {
			return out, damaged("it has %d bytes and not %d", len(out)-start, n)
		}
		in = in[op.size:]
		if op.literals > len(in) {
			return out, damaged("it has %d literals, of %d bytes", op.literals, len(in))
		}
		out = append(out, in[:min(op.literals, limit-len(out))]...)
		in = in[op.literals:]
		if op.distance >= 0 {
			d = op.distance
		}
		if op.match > 0 && len(out) < limit {
			if d > len(out)-start {
				return out, damaged("a match is %d bytes back, of %d", d, len(out)-start)
			}
			var err error
			if out, err = match(out, op.match, d, limit); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// An operation of LZVN is some literals, which follow it, and then a match.
type operation struct {
	size     int // bytes of it, 0 if it is none
	literals int
	match    int
	distance int // -1: that of the last match
	end      bool
}

// lzvnOp decodes the operation that in begins with.
func lzvnOp(in []byte) (o operation) {
	b := [3]int{}
	for i := range min(3, len(in)) {
		b[i] = int(in[i])
	}
	op := b[0]
	o.distance = -1
	switch high := op >> 4; {
	case op == 0x06:
		o.size, o.end = 1, true
	case op == 0x0e, op == 0x16:
		o.size = 1
	case high == 7, high == 0xd, op&7 == 6 && op < 0x40:
		return o // undefined
	case op == 0xe0:
		o.size, o.literals = 2, b[1]+16
	case high == 0xe:
		o.size, o.literals = 1, op&15
	case op == 0xf0:
		o.size, o.match = 2, b[1]+16
	case high == 0xf:
		o.size, o.match = 1, op&15
	case high == 0xa, high == 0xb:
		o.size, o.literals = 3, op>>3&3
		o.match, o.distance = (op&7<<2|b[1]&3)+3, (b[1]|b[2]<<8)>>2
	default:
		o.literals, o.match = op>>6, op>>3&7+3
		switch op & 7 {
		case 6:
			o.size = 1
		case 7:
			o.size, o.distance = 3, b[1]|b[2]<<8
		default:
			o.size, o.distance = 2, op&7<<8|b[1]
		}
	}
	if o.size > len(in) {
		o.size = 0
	}
	return o
}
