package lines

import "io"

// A Counts is what wc(1) counts. Lines are ends of lines.
type Counts struct{ Lines, Words, Bytes int64 }

// Count counts what is in a text.
func Count(r io.Reader) (c Counts, err error) {
	inWord := false
	buf := make([]byte, 1<<20)
	for {
		n, err := r.Read(buf)
		c.Bytes += int64(n)
		for _, b := range buf[:n] {
			switch b {
			case '\n':
				c.Lines++
				inWord = false
			case ' ', '\t', '\r', '\v', '\f':
				inWord = false
			default:
				// In the C locale, what is not printed is part of no word.
				if !inWord && b > ' ' && b < 0x7f {
					c.Words++
					inWord = true
				}
			}
		}
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
	}
}
