package lkl

import (
	"slices"
	"strings"
)

// Actions of syslog(2).
const (
	syslogReadAll    = 3
	syslogSizeBuffer = 10
)

// Dmesg returns the kernel's log, of which it keeps the last part. When the
// kernel has ended, it is what has been received until then.
func (k *Kernel) Dmesg() string { return strings.Join(k.logLines(maxPiece), "\n") }

// A LogMark is a place in a kernel's log. The zero value is before everything.
type LogMark struct{ line string }

// LogMark returns the place after the last line of the log that is known here.
// It takes no call of the kernel: a line that was logged only a moment ago may not
// be known of.
func (k *Kernel) LogMark() LogMark {
	k.log.mu.Lock()
	defer k.log.mu.Unlock()
	return LogMark{k.log.newest}
}

// LogSince returns the messages that the kernel has logged since a mark, as far as
// it still has them, and the place after the last. A message is a line of the log
// without its time stamp; empty ones are left out.
func (k *Kernel) LogSince(m LogMark) ([]string, LogMark) {
	lines := k.logLines(maxPiece)
	k.log.ask(lines)
	since := lines
	if m != (LogMark{}) {
		for i, l := range slices.Backward(lines) {
			if l == m.line {
				since = lines[i+1:]
				break
			}
		}
	}
	return messages(since), k.LogMark()
}

// LogMarkNow is [Kernel.LogMark] by a call of the kernel, after which no line is too new to be
// known of.
func (k *Kernel) LogMarkNow() LogMark {
	lines := k.logLines(recent)
	if len(lines) == 0 {
		return k.LogMark()
	}
	k.log.ask(lines)
	return LogMark{lines[len(lines)-1]}
}

// recent is how many bytes at the end of the log are read to learn what is new.
const recent = 8 << 10

// logLines asks the kernel for the end of its log, of at most so many bytes. A line has its
// time stamp, which makes it a place in the log.
func (k *Kernel) logLines(most int) []string {
	size, err := k.Syslog(syslogSizeBuffer, nil)
	if err == nil {
		buf := make([]byte, min(size, most))
		var n int
		if n, err = k.Syslog(syslogReadAll, buf); err == nil {
			return splitLog(string(buf[:n]))
		}
	}
	return k.log.last(1 << 20)
}

// splitLog returns the lines of what syslog(2) has answered, without the levels
// ("<6>") that it puts before them.
func splitLog(text string) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "<") {
			if _, after, ok := strings.Cut(l, ">"); ok {
				l = after
			}
		}
		lines[i] = printable(l)
	}
	return lines
}

// messages takes the time stamps ("[    0.004321] ") off lines.
func messages(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		if strings.HasPrefix(l, "[") {
			if _, rest, ok := strings.Cut(l, "] "); ok {
				l = rest
			}
		}
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// printable replaces control characters: the log holds names from images, and
// will be shown on terminals.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
