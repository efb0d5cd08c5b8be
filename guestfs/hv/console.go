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
// passes on to the terminal that is its own standard input. What is not passed on that way is
// asked of that terminal: it is in raw mode once virt-rescue shows the console, and has a size.
func newConsole(vm *VM) *server.Console {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH) // comes to the process group of virt-rescue
	tty, err := unix.Open(fmt.Sprintf("/proc/%d/fd/0", os.Getppid()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		tty = -1 // then it is as with a terminal that has neither
	}
	return &server.Console{
		In: os.Stdin, Out: os.Stdout, Term: vm.Term, Resized: resized,
		Ready: func() bool {
			t, err := unix.IoctlGetTermios(tty, unix.TCGETS)
			return err != nil || t.Lflag&unix.ICANON == 0
		},
		Size: func() unboot.Winsize {
			size, err := unix.IoctlGetWinsize(tty, unix.TIOCGWINSZ)
			if err != nil {
				return unboot.Winsize{}
			}
			return unboot.Winsize{Rows: size.Row, Cols: size.Col}
		},
	}
}

// crlf writes for a terminal in raw mode, which begins a line where the last one ended.
type crlf struct{ io.Writer }

func (w crlf) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}
