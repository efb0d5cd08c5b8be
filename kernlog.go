package unboot

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// syslogSizeUnread is SYSLOG_ACTION_SIZE_UNREAD of syslog(2): as nobody reads
// that way, it is the size of all there is.
const syslogSizeUnread = 9

// maxLogLines is how many lines an error keeps.
const maxLogLines = 40

// logMark returns a mark of the kernel's log as it is now, for logSince.
func (img *Image) logMark() int {
	n, err := img.k.Syslog(syslogSizeUnread, nil)
	if err != nil {
		return 0
	}
	return n
}

// logSince returns the lines that the kernel has logged since a mark, the last
// ones if there are many.
func (img *Image) logSince(mark int) []string {
	grown := img.logMark() - mark
	switch {
	case grown == 0:
		return nil
	case grown < 0: // the log has wrapped
		grown = 1 << 20
	}
	lines := strings.Split(img.k.Dmesg(), "\n")
	// From the end backwards, as many lines as have grown bytes. A line was
	// counted with its level ("<6>"), which Dmesg has taken off.
	i := len(lines)
	for i > 0 && grown > 0 && len(lines)-i < maxLogLines {
		i--
		grown -= len(lines[i]) + len("<6>\n")
	}
	return cleanLines(lines[i:])
}

// lastLog returns the last lines of the kernel's log.
func (img *Image) lastLog(n int) []string {
	lines := strings.Split(img.k.Dmesg(), "\n")
	return cleanLines(lines[max(0, len(lines)-n):])
}

// cleanLines takes the time stamps ("[    0.004321] ") off.
func cleanLines(lines []string) []string {
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

// tellingLine returns the line of a log that best says what went wrong, or "".
// File systems say most in the first line that is an error, and close with
// generalities.
func tellingLine(lines []string) string {
	for _, word := range []string{"error", "rror", "can't", "annot", "nvalid", "orrupt", "ailed", "bad ", "nsupported", "nknown", "dirty", "unable"} {
		for _, l := range lines {
			if strings.Contains(l, word) {
				return l
			}
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// explain adds the kernel's lines to an error which they say more about: of
// the disk, or of what is written on it.
func (img *Image) explain(err error) error {
	for _, errno := range []unix.Errno{unix.EIO, unix.EUCLEAN, unix.EBADMSG} {
		if errors.Is(err, errno) && img.k.Err() == nil {
			return &LogError{Err: err, Log: img.lastLog(10)}
		}
	}
	return err
}
