// Package lines reads text as head(1), tail(1) and wc(1) do in the C locale, from files that
// may be hostile: lines, and the memory for those that are kept, have bounds.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrTooMany is the error of more lines to keep than there is memory for.
var ErrTooMany = errors.New("the lines to keep are too long")

// Each calls do with the lines of a text, without their ends, until it returns an error,
// which is returned. Of a line of more than limit bytes the error is [bufio.ErrTooLong]. do
// must not keep the line.
func Each(r io.Reader, limit int, do func(line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), limit)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		if err := do(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}

// errEnough ends a loop over lines.
var errEnough = errors.New("enough")

// Head calls add with the first n lines, or, for a negative number, with all but the last
// ones, as "head -n". It reports errors as [Each] does, and [ErrTooMany].
func Head(r io.Reader, n, limit int, add func(line []byte) error) error {
	var last ring
	count := 0
	err := Each(r, limit, func(line []byte) error {
		switch {
		case n < 0:
			// A line is given out when as many have come after it.
			if old, full := last.push(line, -n); full {
				return add(old)
			}
			return last.err()
		case count == n:
			return errEnough
		}
		count++
		return add(line)
	})
	if err == errEnough {
		return nil
	}
	return err
}

// Tail calls add with the last n lines, or, for a negative number, with those from that line
// on, as "tail -n +N". It reports errors as [Head] does.
func Tail(r io.Reader, n, limit int, add func(line []byte) error) error {
	var last ring
	number := 0
	err := Each(r, limit, func(line []byte) error {
		number++
		switch {
		case n >= 0:
			last.push(line, n)
			return last.err()
		case number < -n:
			return nil
		}
		return add(line)
	})
	for i := 0; err == nil && i < len(last.lines); i++ {
		err = add(last.lines[i])
	}
	return err
}
