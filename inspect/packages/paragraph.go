package packages

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"
)

// maxLine bounds the part of a line that is looked at, in bytes.
const maxLine = maxField

// lines yields the lines of a text without their ends. What is behind maxLine bytes of
// a line is dropped. An error of r is the last that is yielded.
func lines(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		b := bufio.NewReaderSize(r, maxLine)
		for {
			line, err := b.ReadSlice('\n')
			text := strings.TrimRight(string(line), "\r\n")
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = b.ReadSlice('\n')
			}
			if err != nil && err != io.EOF {
				yield("", err)
				return
			}
			if (len(line) > 0 || err == nil) && !yield(text, nil) || err == io.EOF {
				return
			}
		}
	}
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
				if _, again := fields[last]; !again {
					fields[last] = value.String()
				}
			}
			last = ""
			value.Reset()
		}
		for line, err := range lines(r) {
			if err != nil {
				yield(nil, err)
				return
			}
			switch {
			case strings.TrimSpace(line) == "":
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
					if line = strings.TrimRight(line[1:], " \t"); line != "." {
						value.WriteString(line)
					}
				}
			default:
				flush()
				name, text, ok := strings.Cut(line, ":")
				if name = strings.ToLower(name); ok && want[name] {
					last = name
					value.WriteString(strings.TrimSpace(text))
				}
			}
		}
		flush()
		if len(fields) > 0 {
			yield(fields, nil)
		}
	}
}
