package unboot

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// maxLogLines is how many lines an error keeps.
const maxLogLines = 40

// logSince returns what disks have said since a mark, and what the kernel has logged, the
// last messages if there are many.
func (img *Image) logSince(m mark) []string {
	lines, _ := img.k.LogSince(m.log)
	return append(img.words.since(m), lines[max(0, len(lines)-maxLogLines):]...)
}

// tellingLine returns the line of a log that best says what went wrong, or "".
func tellingLine(lines []string) string { return tellingLineOf(lines, 0) }

// tellingLineOf is tellingLine for what went wrong with an inode, unless that is 0.
func tellingLineOf(lines []string, inode uint64) string {
	// A disk's own words say why, before the driver's say what for.
	if len(lines) > 0 && strings.HasPrefix(lines[0], wordsPrefix) {
		return lines[0]
	}
	names := func(l string) bool { return inode != 0 && namesInode(l, inode) }
	for _, choose := range []func(string) bool{names, saysWhatIsMissing, isError} {
		for _, l := range lines {
			if choose(l) && !isRoutine(l) {
				return l
			}
		}
	}
	// Any other words of the driver are better than none.
	for _, l := range slices.Backward(lines) {
		if !isRoutine(l) {
			return l
		}
	}
	return ""
}

// namesInode reports whether a line is about an inode, as some file systems name
// what they complain about: "ino 257", "inode #12", "inode 0x83".
func namesInode(line string, inode uint64) bool {
	n, hex := strconv.FormatUint(inode, 10), "0x"+strconv.FormatUint(inode, 16)
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,:;#=()", r) })
	for i, w := range words {
		if i+1 < len(words) && (w == "ino" || w == "inode" || w == "Inode") && (words[i+1] == n || words[i+1] == hex) {
			return true
		}
	}
	return false
}

// saysWhatIsMissing reports whether a line says what would have to be given or done.
func saysWhatIsMissing(line string) bool {
	return containsAny(line, "specify ", "logdev", "required", "devices missing", "is missing", "Please run", "unsupported feature", "Unsupported feature")
}

// isError reports whether a line is about something that went wrong.
func isError(line string) bool {
	return containsAny(line, "rror", "can't", "annot", "nvalid", "orrupt", "ailed", "bad ", "nsupported", "nknown", "dirty", "nable", "ismatch", "mpty")
}

// isRoutine reports whether a line is one of those that are logged whenever all is
// well, or a summary that follows the line with the reason.
func isRoutine(line string) bool {
	return containsAny(line, "mounted filesystem", "nmounting", "Mounting", "Ending clean mount", "bdev /dev/", "errors=")
}

// withoutJournal returns the mount option that leaves the journal out, if a log says
// that this is what cannot be mounted, or "".
func withoutJournal(fstype string, log []string) string {
	for _, j := range []struct {
		fstype, option string
		says           []string
	}{
		{"ext3", "noload", []string{"journal", "JBD"}},
		{"ext4", "noload", []string{"journal", "JBD"}},
		{"xfs", "norecovery", []string{"log mount/recovery failed", "log mount failed", "failed to recover", "log recovery"}},
		{"btrfs", "rescue=nologreplay", []string{"replay log", "log replay", "log tree"}},
		{"f2fs", "norecovery", []string{"recover fsync data", "recover_fsync_data"}},
		{"reiserfs", "nolog", []string{"journal"}},
	} {
		if j.fstype == fstype && slices.ContainsFunc(log, func(l string) bool { return containsAny(l, j.says...) }) {
			return j.option
		}
	}
	return ""
}

func containsAny(line string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(line, p) })
}

// explain adds the kernel's lines to an error which they say more about: of the
// disk, or of what is written on it. mark is where the log was when the call began,
// and inode is asked for what it was about.
func (img *Image) explain(err error, m mark, inode func() uint64) error {
	if _, done := errors.AsType[*LogError](err); done || err == nil || img.k.Err() != nil {
		return err
	}
	for _, errno := range []unix.Errno{unix.EIO, unix.EUCLEAN, unix.EBADMSG} {
		if errors.Is(err, errno) {
			if lines := img.logSince(m); len(lines) > 0 {
				return &LogError{Err: err, Log: lines, line: tellingLineOf(lines, inode())}
			}
		}
	}
	return err
}

// noInode is for errors that are not about a file.
func noInode() uint64 { return 0 }

// inodeAt returns what identifies the inode of a path of a view, if it has one.
func inodeAt(v *lkl.View, p string) func() uint64 {
	return func() uint64 {
		var st unix.Statx_t
		if v.Statx(unix.AT_FDCWD, p, 0, unix.STATX_INO, &st) != nil {
			return 0
		}
		return st.Ino
	}
}
