package hv

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// reportEnv names the variable with the host path of a pipe that takes what goes wrong.
// The library shows what its machine prints only to those who debug; all others learn
// from it that the launch has failed, and nothing more.
const reportEnv = "UNBOOT_HV_REPORT"

// maxReport is the most that is written at once, in bytes: a pipe keeps that together.
const maxReport = 4096

// Reports receives what goes wrong in the machines that a program starts.
type Reports struct {
	r, w *os.File
	done chan struct{}
}

// Listen has print called with each report, which is one line of text.
func Listen(print func(line string)) (*Reports, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reports := &Reports{r, w, make(chan struct{})}
	go func() {
		defer close(reports.done)
		in := bufio.NewReaderSize(r, maxReport)
		for {
			line, err := in.ReadSlice('\n')
			if len(line) > 0 {
				print(printable(string(line)))
			}
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	}()
	return reports, nil
}

// Variable returns what the environment of the program has to have, "NAME=VALUE".
func (r *Reports) Variable() string {
	return fmt.Sprintf("%s=/proc/%d/fd/%d", reportEnv, os.Getpid(), r.w.Fd())
}

// Close returns when all reports are printed that were made until now.
func (r *Reports) Close() {
	r.w.Close()
	<-r.done
	r.r.Close()
}

// report says what is wrong: through [Reports], or else on the terminal of the program
// that has started this one.
func report(text string) {
	line := printable(text)
	line = strings.ToValidUTF8(line[:min(len(line), maxReport-1)], "") + "\n"
	if path := os.Getenv(reportEnv); strings.HasPrefix(path, "/proc/") && tell(path, line, isPipe) {
		return
	}
	tell(fmt.Sprintf("/proc/%d/fd/2", os.Getppid()), Name+": "+line, isTerminal)
}

// printable returns a text on one line, without what could do something to a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsPrint(c):
			return c
		}
		return '?'
	}, strings.TrimRight(text, "\n"))
}

// tell writes a line to what is at a path, if that is what it should be, and never waits.
func tell(path, line string, is func(fd int) bool) bool {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if !is(fd) {
		return false
	}
	n, err := unix.Write(fd, []byte(line))
	return err == nil && n == len(line)
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
