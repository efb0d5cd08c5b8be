package unboot

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A lossWatch looks for what programs have written and a disk has not taken. On a file system that
// the image has mounted, syncfs(2) tells of it. Nobody tells of what was written to a device, or to a
// file system that a program has mounted itself: as on every Linux, dd(1) to a disk that is full
// ends with 0, unless it is told to call fsync(2). The kernel's log has it.
type lossWatch struct {
	mu    sync.Mutex
	began bool // guarded by mu: a program has been started
	from  mark // guarded by mu: what was logged before has been looked at
}

// begin begins to look, when the first program is started.
func (w *lossWatch) begin(img *Image) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.began && img.writable {
		w.began, w.from = true, img.markNow()
	}
}

// lostWrites returns an error if a disk has failed to take what was written, since it was asked for the
// last time.
func (img *Image) lostWrites() error {
	w := &img.losses
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.began || img.k.Err() != nil {
		return nil
	}
	lines, next := img.k.LogSince(w.from.log)
	words := img.words.since(w.from)
	w.from = mark{next, img.words.mark()}
	i := slices.IndexFunc(lines, saysLost)
	if i < 0 {
		return nil
	}
	line := lines[i]
	// The disk's own words say why. It may have failed to read, too, which readers are told.
	if j := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(w, ", read at ") }); j >= 0 {
		line = words[j]
	}
	return fmt.Errorf("not everything was written: %w", &LogError{Err: unix.EIO, Log: append(words, lines[max(0, len(lines)-maxLogLines):]...), line: line})
}

// saysLost reports whether a line of the kernel's log says that a disk did not take what was written:
// see blk_print_req_error() of the kernel's block/blk-mq.c.
func saysLost(line string) bool {
	return strings.Contains(line, " error, dev ") && strings.Contains(line, ":(WRITE)")
}
