package lkl

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// A log of which no line has come yet can be asked for, of a kernel that has ended too.
func TestLogWithoutLines(t *testing.T) {
	var tail logTail
	tail.ask(nil)
	k := bootFake(t, nil)
	k.Kill()
	if lines, mark := k.LogSince(LogMark{}); len(lines) != 0 && mark == (LogMark{}) {
		t.Errorf("%q, %v", lines, mark)
	}
}

// A disk that is attached to a kernel which has just ended is refused for that reason.
func TestAttachToDead(t *testing.T) {
	k := bootReal(t, nil)
	unix.Kill(k.Pid(), unix.SIGKILL)
	_, err := k.AttachDisk(Disk{Device: deadDisk{}})
	if end, ok := errors.AsType[*ExitError](err); !ok || end.Signal != unix.SIGKILL {
		t.Errorf("%v", err)
	}
}

// deadDisk is never used.
type deadDisk struct{}

func (deadDisk) ReadAt([]byte, int64) (int, error)  { return 0, unix.EIO }
func (deadDisk) WriteAt([]byte, int64) (int, error) { return 0, unix.EIO }
func (deadDisk) Size() int64                        { return 4096 }
func (deadDisk) Flush() error                       { return unix.EIO }
