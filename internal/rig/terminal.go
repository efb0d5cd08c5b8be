package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Terminal is a pseudo terminal with a program on it, as in a user's window.
type Terminal struct {
	Cmd *exec.Cmd

	t      testing.TB
	master *os.File
	shown  chan struct{} // closed when no process has the terminal any more

	mu   sync.Mutex
	said bytes.Buffer // guarded by mu
}

// OnTerminal starts a program with a terminal of its own, which those of its standard streams
// are that are nil. It is killed when the test ends.
func OnTerminal(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	term := &Terminal{Cmd: cmd, t: t, master: os.NewFile(uintptr(fd), "ptmx"), shown: make(chan struct{})}
	t.Cleanup(func() { term.master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer slave.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	if cmd.Stdout == nil {
		cmd.Stdout = slave
	}
	if cmd.Stderr == nil {
		cmd.Stderr = slave
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	go term.read()
	return term
}

// read takes what is shown, so that who writes need not wait.
func (term *Terminal) read() {
	defer close(term.shown)
	buf := make([]byte, 4096)
	for {
		n, err := term.master.Read(buf)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.said.Write(buf[:n])
		term.mu.Unlock()
	}
}

// Said returns all that has been shown.
func (term *Terminal) Said() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.said.String()
}

// Until waits until a text has been shown, n times in all.
func (term *Terminal) Until(text string, n int) {
	term.t.Helper()
	for end := time.Now().Add(2 * time.Minute); strings.Count(term.Said(), text) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("%q is not there %d times: %q", text, n, term.Said())
		}
	}
}

// Type types keys.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// Resize gives the terminal another size.
func (term *Terminal) Resize(rows, cols uint16) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		term.t.Fatal(err)
	}
}

// Echoes reports whether the terminal shows what is typed.
func (term *Terminal) Echoes() bool {
	term.t.Helper()
	t, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return t.Lflag&unix.ECHO != 0
}

// Wait returns the program's exit status, or -1 after a signal, when all is shown.
func (term *Terminal) Wait() int {
	term.t.Helper()
	err := term.Cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		term.t.Fatal(err)
	}
	select {
	case <-term.shown:
	case <-time.After(10 * time.Second):
		term.t.Error("somebody keeps the terminal")
	}
	return term.Cmd.ProcessState.ExitCode()
}
