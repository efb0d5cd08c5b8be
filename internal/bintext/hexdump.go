package bintext

import (
	"bufio"
	"fmt"
	"io"
)

// Hexdump writes what "hexdump -C" prints: lines that repeat the one before are an asterisk.
func Hexdump(w io.Writer, r io.Reader) error {
	const width = 16
	in, out := bufio.NewReaderSize(r, 256<<10), bufio.NewWriter(w)
	line, last := make([]byte, width), ""
	off, skipping := int64(0), false
	// A failed write makes all later ones fail, and Flush. To ask every line ends what
	// nobody reads any more.
	for {
		n, err := io.ReadFull(in, line)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		switch {
		case n == 0:
			if off > 0 {
				fmt.Fprintf(out, "%08x\n", off)
			}
			return out.Flush()
		case n == width && off > 0 && string(line) == last:
			if !skipping {
				out.WriteString("*\n")
			}
			skipping = true
		default:
			hexLine(out, off, line[:n])
			last, skipping = string(line), false
		}
		off += int64(n)
		if _, err := out.Write(nil); err != nil {
			return err
		}
	}
}

// hexLine writes the line of up to 16 bytes that begin at an offset.
func hexLine(out *bufio.Writer, off int64, line []byte) {
	fmt.Fprintf(out, "%08x ", off)
	for i := range 16 {
		if i%8 == 0 {
			out.WriteByte(' ')
		}
		if i < len(line) {
			fmt.Fprintf(out, "%02x ", line[i])
		} else {
			out.WriteString("   ")
		}
	}
	out.WriteString(" |")
	for _, c := range line {
		if c < ' ' || c >= 0x7f {
			c = '.'
		}
		out.WriteByte(c)
	}
	out.WriteString("|\n")
}
