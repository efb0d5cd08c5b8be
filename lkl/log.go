package lkl

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

const (
	logKeep = 64 << 10 // bytes of the log that are kept
	logLine = 1024     // bytes of the longest line, as printk's
)

// A logTail keeps the last lines of a kernel's log.
type logTail struct {
	mu    sync.Mutex
	lines []string // guarded by mu
	size  int      // of them, in bytes

	newest string   // guarded by mu: the last line that is known of
	asked  []string // guarded by mu: known of by asking, and not come yet
}

// ask notes lines that the kernel was asked for. They come by themselves, too.
func (t *logTail) ask(lines []string) {
	if len(lines) == 0 {
		return // the kernel has ended before its first line came
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked, t.newest = lines, lines[len(lines)-1]
}

// come notes a line that has come by itself.
//
// Preconditions: mu is held.
func (t *logTail) come(line string) {
	if i := slices.Index(t.asked, line); i >= 0 {
		t.asked = t.asked[i+1:]
		return
	}
	t.asked, t.newest = nil, line
}

// read takes lines from r until it ends, and passes each to f if that is not
// nil.
func (t *logTail) read(r io.Reader, f func(string)) {
	buf := make([]byte, 0, 4*logLine)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for len(rest) > 0 {
			i := bytes.IndexByte(rest, '\n')
			skip := i + 1
			if i < 0 {
				if len(rest) < logLine && err == nil {
					break
				}
				i = min(len(rest), logLine)
				skip = i
			}
			t.add(printable(string(rest[:i])), f)
			rest = rest[skip:]
		}
		buf = buf[:copy(buf, rest)]
		if err != nil {
			return
		}
	}
}

func (t *logTail) add(line string, f func(string)) {
	t.mu.Lock()
	t.come(line)
	t.lines = append(t.lines, line)
	t.size += len(line) + 1
	drop := 0
	for t.size > logKeep {
		t.size -= len(t.lines[drop]) + 1
		drop++
	}
	t.lines = t.lines[drop:]
	t.mu.Unlock()
	if f != nil {
		f(line)
	}
}

// last returns up to n of the last lines.
func (t *logTail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines[max(0, len(t.lines)-n):]...)
}
