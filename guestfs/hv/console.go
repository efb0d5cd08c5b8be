package hv

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/server"
)

// newConsole returns the console of a machine, whose standard input and output virt-rescue
// passes on to its user's terminal. What is not passed on that way is asked of the terminal: it
// is in raw mode once virt-rescue shows the console, and has a size.
func newConsole(vm *VM) *server.Console {
	c := &server.Console{In: os.Stdin, Out: os.Stdout, Term: vm.Term}
	tty := userTerminal()
	if tty < 0 {
		return c
	}
	if !isRaw(tty) {
		c.Ready = func() bool { return isRaw(tty) }
	}
	c.Size = func() unboot.Winsize {
		size, err := unix.IoctlGetWinsize(tty, unix.TIOCGWINSZ)
		if err != nil {
			return unboot.Winsize{}
		}
		return unboot.Winsize{Rows: size.Row, Cols: size.Col}
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH) // this process is in the group of virt-rescue
	c.Resized = resized
	return c
}

// userTerminal opens the terminal that is the standard input of virt-rescue, which is the
// parent, or else that of the session. It is -1 if there is none.
func userTerminal() int {
	for _, path := range []string{fmt.Sprintf("/proc/%d/fd/0", os.Getppid()), "/dev/tty"} {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		switch {
		case err != nil:
		case isTerminal(fd):
			return fd
		default:
			unix.Close(fd)
		}
	}
	return -1
}

// isRaw reports whether a terminal passes on each key. One that has gone does, too.
func isRaw(tty int) bool {
	t, err := unix.IoctlGetTermios(tty, unix.TCGETS)
	return err != nil || t.Lflag&unix.ICANON == 0
}

// crlf writes for a terminal in raw mode, which begins a line where the last one ended.
type crlf struct{ io.Writer }

func (w crlf) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
