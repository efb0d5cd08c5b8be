package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume"
)

// maxAsked is how often a passphrase is asked for.
const maxAsked = 3

// unlock asks on the terminal for the passphrases of what is locked, after it turned out to
// be needed. It returns whether anything was opened.
func (a *app) unlock(o *opened) bool {
	if a.opts.keys.stdin {
		return false // it was asked
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	did := false
	for _, d := range o.img.Devices() {
		if d.Locked == nil || d.Locked.Err != nil || !slices.ContainsFunc(d.Locked.Slots, takesPassphrase) {
			continue
		}
		for range maxAsked {
			secret, err := a.askSecret(tty, fmt.Sprintf("Passphrase for %s (%s): ", d.Name, d.Locked.Format))
			if err != nil || len(secret) == 0 {
				break
			}
			err = o.img.Unlock(d, volume.Key{Kind: volume.Passphrase, Secret: secret})
			if err == nil {
				did = true
				break
			}
			if !errors.Is(err, unboot.ErrLocked) {
				a.warn(err)
				break
			}
			fmt.Fprintln(tty, "It does not fit.")
		}
	}
	return did
}

func takesPassphrase(s volume.KeySlot) bool { return s.Kind == volume.Passphrase }

// askSecret reads a line from a terminal without showing it. A signal ends it.
func (a *app) askSecret(tty *os.File, prompt string) ([]byte, error) {
	conn, err := tty.SyscallConn() // Fd would make the file one whose reads nothing ends
	if err != nil {
		return nil, err
	}
	var was *unix.Termios
	set := func(req uint, t *unix.Termios) (err error) {
		if e := conn.Control(func(fd uintptr) { err = unix.IoctlSetTermios(int(fd), req, t) }); e != nil {
			return e
		}
		return err
	}
	if e := conn.Control(func(fd uintptr) { was, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); e != nil || err != nil {
		return nil, cmp.Or(e, err)
	}
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := set(unix.TCSETSF, &quiet); err != nil {
		return nil, err
	}
	defer set(unix.TCSETS, was)
	defer context.AfterFunc(a.ctx, func() { tty.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(tty, prompt); err != nil {
		return nil, err
	}
	defer io.WriteString(tty, "\n")
	// In canonical mode a read returns one line, of at most 4095 bytes.
	line := make([]byte, 4096)
	n, err := tty.Read(line)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:n], []byte("\n")), nil
}
