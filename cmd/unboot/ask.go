package main

import (
	"bytes"
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
	if a.opts.keys.stdin || !slices.ContainsFunc(o.img.Devices(), func(d *unboot.Device) bool { return asksFor(d.Locked) != "" }) {
		return false
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	did, asked := false, map[string]bool{}
	// What was opened may have something that is encrypted, too.
	for again := true; again; {
		again = false
		for _, d := range o.img.Devices() {
			kind := asksFor(d.Locked)
			if kind == "" || asked[d.Name] {
				continue
			}
			asked[d.Name] = true
			if a.ask(tty, o.img, d, kind) {
				did, again = true, true
				break // the devices are others now
			}
		}
	}
	return did
}

// ask asks for what opens a device, and tries it.
func (a *app) ask(tty *os.File, img *unboot.Image, d *unboot.Device, kind volume.KeyKind) bool {
	for range maxAsked {
		secret, err := a.askSecret(tty, fmt.Sprintf("%s for %s (%s): ", askedAs[kind], d.Name, d.Locked.Format))
		if err != nil || len(secret) == 0 {
			return false
		}
		if err = img.Unlock(d, volume.Key{Kind: kind, Secret: secret}); err == nil {
			return true
		}
		var locked *unboot.LockedError
		if !errors.As(err, &locked) || locked.Lock.Err != nil {
			a.warn(err)
			return false
		}
		fmt.Fprintln(tty, "It does not fit.")
	}
	return false
}

// askedAs is what somebody is asked for.
var askedAs = map[volume.KeyKind]string{volume.Passphrase: "Passphrase", volume.Recovery: "Recovery password"}

// asksFor returns the kind of key that somebody could type to open what is locked: a
// passphrase if any slot takes one. It is "" if there is no such key.
func asksFor(l *volume.Lock) (kind volume.KeyKind) {
	if l == nil || l.Err != nil {
		return ""
	}
	for _, s := range l.Slots {
		if kind != volume.Passphrase && askedAs[s.Kind] != "" {
			kind = s.Kind
		}
	}
	return kind
}

// askSecret reads a line from a terminal without showing it. A signal ends it.
func (a *app) askSecret(tty *os.File, prompt string) ([]byte, error) {
	was, err := termiosOf(tty)
	if err != nil {
		return nil, err
	}
	<-a.listening // a signal that ended this program at once would leave nothing shown
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := setTermios(tty, unix.TCSETSF, &quiet); err != nil {
		return nil, err
	}
	defer setTermios(tty, unix.TCSETS, was)
	defer context.AfterFunc(a.ctx, func() { tty.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(tty, prompt); err != nil {
		return nil, err
	}
	defer io.WriteString(tty, "\n")
	// In canonical mode a read returns one line, of at most 4095 bytes.
	line := make([]byte, 4096)
	n, err := tty.Read(line)
	if err != nil {
		clear(line)
		return nil, err
	}
	return bytes.TrimSuffix(line[:n], []byte("\n")), nil
}
