package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// control does something with a file's descriptor. Its method Fd would make the file one
// whose reads nothing ends.
func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if e := conn.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
		return e
	}
	return err
}

// termiosOf returns the settings of a terminal, or an error if the file is none.
func termiosOf(f *os.File) (t *unix.Termios, err error) {
	err = control(f, func(fd int) (err error) {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return t, err
}

// setTermios changes the settings of a terminal. req says when: TCSETS at once, TCSETSF when
// the output is done and without what was typed so far.
func setTermios(f *os.File, req uint, t *unix.Termios) error {
	return control(f, func(fd int) error { return unix.IoctlSetTermios(fd, req, t) })
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	_, err := termiosOf(f)
	return err == nil
}

// rawTerminal has each key that is typed come as it is, ^C too, and returns what undoes that.
// It does nothing to what is not a terminal.
func rawTerminal(f *os.File) (restore func()) {
	was, err := termiosOf(f)
	if err != nil {
		return func() {}
	}
	raw := *was
	// As cfmakeraw(3).
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if setTermios(f, unix.TCSETS, &raw) != nil {
		return func() {}
	}
	return func() { setTermios(f, unix.TCSETS, was) }
}

// terminalSize returns the size of the terminal that one of the files is, or the usual one.
func terminalSize(files ...*os.File) unboot.Winsize {
	size := unboot.Winsize{Rows: 24, Cols: 80}
	for _, f := range files {
		err := control(f, func(fd int) error {
			w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
			if err == nil && w.Row > 0 && w.Col > 0 {
				size = unboot.Winsize{Rows: w.Row, Cols: w.Col}
			}
			return err
		})
		if err == nil {
			break
		}
	}
	return size
}
