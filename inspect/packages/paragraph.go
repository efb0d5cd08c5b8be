package packages

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
)

// maxLine bounds the part of a line that is looked at, in bytes.
const maxLine = maxField

// maxFieldName bounds the name of a field, in bytes.
const maxFieldName = 64

// lines yields the lines of a text without their ends. The part of a line that exceeds
// maxLine bytes is dropped. An error of r is the last that is yielded.
func lines(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for line, err := range byteLines(r) {
			if !yield(string(line), err) {
				return
			}
		}
	}
}

// byteLines is lines without a copy: a slice is valid until the next is asked for. A status
// file has a hundred thousand lines, few of which are kept.
func byteLines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b := bufio.NewReaderSize(r, maxLine)
		for {
			line, err := b.ReadSlice('\n')
			// Reading on to the end of a line that is too long would overwrite its
			// beginning.
			if errors.Is(err, bufio.ErrBufferFull) {
				line = bytes.Clone(line)
			}
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = b.ReadSlice('\n')
			}
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			if (len(line) > 0 || err == nil) && !yield(trimEnd(line), nil) || err == io.EOF {
				return
			}
		}
	}
}

// trimEnd takes off the end of a line.
func trimEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

// paragraphs yields the stanzas of a control file, deb822(5), with the fields that are
// asked for, in lower case. Continuation lines are joined by newlines, without the
// space at their start; one with a lone dot is empty.
func paragraphs(r io.Reader, want map[string]bool) iter.Seq2[map[string]string, error] {
	return func(yield func(map[string]string, error) bool) {
		fields := map[string]string{}
		var last string
		var value strings.Builder
		flush := func() {
			if last != "" {
				// Of a field that is given twice, the first counts, as with dpkg.
				if _, again := fields[last]; !again {
					fields[last] = value.String()
				}
			}
			last = ""
			value.Reset()
		}
		for line, err := range byteLines(r) {
			if err != nil {
				yield(nil, err)
				return
			}
			switch {
			case len(bytes.TrimSpace(line)) == 0:
				flush()
				if len(fields) > 0 {
					if !yield(fields, nil) {
						return
					}
					fields = map[string]string{}
				}
			case line[0] == ' ' || line[0] == '\t':
				if last != "" && value.Len()+len(line) < maxField {
					value.WriteByte('\n')
					if line = bytes.TrimRight(line[1:], " \t"); string(line) != "." {
						value.Write(line)
					}
				}
			default:
				flush()
				name, text, ok := bytes.Cut(line, []byte(":"))
				if !ok || len(name) > maxFieldName {
					continue
				}
				if lower := strings.ToLower(string(name)); want[lower] {
					last = lower
					value.Write(bytes.TrimSpace(text))
				}
			}
		}
		flush()
		if len(fields) > 0 {
			yield(fields, nil)
		}
	}
}
