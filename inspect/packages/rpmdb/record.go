package rpmdb

// varint reads a number of SQLite: 7 bits of each byte, the most significant ones
// first, and 8 of the ninth. One that is negative is none that is looked for.
func varint(b []byte) (n int64, rest []byte, ok bool) {
	var u uint64
	for i, c := range b {
		if i == 8 {
			u = u<<8 | uint64(c)
			return int64(u), b[9:], int64(u) >= 0
		}
		u = u<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return int64(u), b[i+1:], true
		}
	}
	return 0, nil, false
}

// columns takes a record apart: the types of its columns, and their values. A column
// that is missing, NULL or a constant number is empty.
func columns(record []byte, want int) ([][]byte, error) {
	size, types, ok := varint(record)
	if !ok || size > int64(len(record)) || size < int64(len(record)-len(types)) {
		return nil, corrupt("a record's header")
	}
	types = types[:size-int64(len(record)-len(types))]
	values := record[size:]
	row := make([][]byte, want)
	for i := 0; i < want && len(types) > 0; i++ {
		var kind int64
		if kind, types, ok = varint(types); !ok {
			return nil, corrupt("the type of a column")
		}
		n := width(kind)
		if n > int64(len(values)) {
			return nil, corrupt("a column of %d bytes", n)
		}
		row[i], values = values[:n], values[n:]
	}
	return row, nil
}

// width returns how many bytes a column of a type has.
func width(kind int64) int64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind == 5:
		return 6
	case kind == 6 || kind == 7:
		return 8
	case kind >= 8:
		return 0
	}
	return kind
}

// number returns the value of a column that is an integer.
func number(b []byte) (n int64) {
	if len(b) > 8 {
		return 0
	}
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}
