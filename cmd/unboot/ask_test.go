package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// A console is a pseudo terminal with a program on it, as in a user's window.
type console struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd
	said   bytes.Buffer
	out    bytes.Buffer // standard output, which is none
	text   chan []byte
}

// onTerminal starts unboot with a terminal of its own. Its standard output is a pipe.
func onTerminal(t *testing.T, args ...string) *console {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
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
	term := &console{t: t, master: os.NewFile(uintptr(fd), "ptmx"), slave: slave, text: make(chan []byte, 100)}
	t.Cleanup(func() { slave.Close(); term.master.Close() })
	term.cmd = exec.Command("unboot", args...)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, &term.out, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.text)
		for {
			buf := make([]byte, 4096)
			n, err := term.master.Read(buf)
			if err != nil {
				return
			}
			term.text <- buf[:n]
		}
	}()
	return term
}

// until waits for a text on the terminal, n times.
func (term *console) until(text string, n int) {
	term.t.Helper()
	timeout := time.After(time.Minute)
	for strings.Count(term.said.String(), text) < n {
		select {
		case b := <-term.text:
			term.said.Write(b)
		case <-timeout:
			term.cmd.Process.Kill()
			term.t.Fatalf("%q is not there %d times: %q", text, n, term.said.String())
		}
	}
}

// echoes reports whether the terminal shows what is typed.
func (term *console) echoes() bool {
	t, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return t.Lflag&unix.ECHO != 0
}

func (term *console) typeLine(s string) {
	if _, err := io.WriteString(term.master, s+"\n"); err != nil {
		term.t.Fatal(err)
	}
}

// wait returns the exit status, or that of a shell after a signal.
func (term *console) wait() int {
	term.t.Helper()
	err := term.cmd.Wait()
	for {
		select {
		case b := <-term.text:
			term.said.Write(b)
			continue
		case <-time.After(100 * time.Millisecond):
		}
		break
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		term.t.Fatal(err)
	}
	return term.cmd.ProcessState.ExitCode()
}

const asks = "Passphrase for /dev/sda2 (LUKS2): "

func TestAsk(t *testing.T) {
	needKernel(t)
	disk := testvol.Unpack(t, "stack-lvm-on-luks")[0]
	root := []string{"cat", "-m", "/dev/vg/root", disk + ":/hello.txt"}
	t.Run("second try", func(t *testing.T) {
		term := onTerminal(t, root...)
		term.until(asks, 1)
		if term.echoes() {
			t.Error("what is typed is shown")
		}
		term.typeLine("notThis")
		term.until("It does not fit.", 1)
		term.until(asks, 2)
		term.typeLine("secret")
		if code := term.wait(); code != 0 || strings.TrimSpace(term.out.String()) != "stack-lvm-on-luks /dev/vg/root" {
			t.Errorf("exit status %d, output %q", code, term.out.String())
		}
		if said := term.said.String(); strings.Contains(said, "secret") || strings.Contains(said, "notThis") || !term.echoes() {
			t.Errorf("%q, echo %v", said, term.echoes())
		}
	})
	t.Run("three tries", func(t *testing.T) {
		term := onTerminal(t, root...)
		for i := range maxAsked {
			term.until(asks, i+1)
			term.typeLine("notThis")
		}
		code := term.wait()
		if said := term.said.String(); code != 1 || strings.Count(said, asks) != maxAsked || !strings.Contains(said, "is encrypted") || strings.Contains(said, "notThis") {
			t.Errorf("exit status %d, %q", code, said)
		}
	})
	t.Run("a signal", func(t *testing.T) {
		term := onTerminal(t, root...)
		term.until(asks, 1)
		if err := term.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := term.wait(); code != exitSignal || !term.echoes() {
			t.Errorf("exit status %d, echo %v", code, term.echoes())
		}
	})
	// Only if needed: not for what is not encrypted, with a key, or for a list of devices.
	for name, args := range map[string][]string{
		"boot": {"cat", "-m", "/dev/sda1", disk + ":/hello.txt"},
		"key":  append([]string{"cat", "--key", "all:key:secret"}, root[1:]...),
		"info": {"info", disk},
	} {
		t.Run(name, func(t *testing.T) {
			term := onTerminal(t, args...)
			if code := term.wait(); code != 0 || strings.Contains(term.said.String(), "Passphrase") {
				t.Errorf("exit status %d, %q", code, term.said.String())
			}
		})
	}
}

// What no passphrase opens is not asked for: a root hash and the key of an HMAC cannot be
// typed, and what has an error is opened by no key.
func TestAsksFor(t *testing.T) {
	slots := func(kinds ...volume.KeyKind) (list []volume.KeySlot) {
		for _, k := range kinds {
			list = append(list, volume.KeySlot{Kind: k})
		}
		return list
	}
	for _, c := range []struct {
		lock *volume.Lock
		want volume.KeyKind
	}{
		{nil, ""},
		{&volume.Lock{Format: "verity", Slots: slots(volume.RootHash)}, ""},
		{&volume.Lock{Format: "dm-integrity", Slots: slots(volume.VolumeKey)}, ""},
		{&volume.Lock{Format: "BitLocker", Slots: slots(volume.StartupKey, "")}, ""},
		{&volume.Lock{Format: "BitLocker", Slots: slots("", volume.Recovery, volume.StartupKey)}, volume.Recovery},
		{&volume.Lock{Format: "BitLocker", Slots: slots(volume.Recovery, volume.Passphrase, volume.Recovery)}, volume.Passphrase},
		{&volume.Lock{Format: "LUKS2", Slots: slots(volume.Passphrase), Err: errors.New("none of its key slots can be used")}, ""},
	} {
		if got := asksFor(c.lock); got != c.want {
			t.Errorf("%+v: %q, want %q", c.lock, got, c.want)
		}
	}
}
