package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// onTerminal starts unboot with a terminal of its own. Its standard output is a pipe.
func onTerminal(t *testing.T, args ...string) (term *rig.Terminal, out *bytes.Buffer) {
	t.Helper()
	cmd, out := exec.Command("unboot", args...), &bytes.Buffer{}
	cmd.Stdout = out
	return rig.OnTerminal(t, cmd), out
}

const asks = "Passphrase for /dev/sda2 (LUKS2): "

func TestAsk(t *testing.T) {
	needKernel(t)
	disk := testvol.Unpack(t, "stack-lvm-on-luks")[0]
	root := []string{"cat", "-m", "/dev/vg/root", disk + ":/hello.txt"}
	t.Run("second try", func(t *testing.T) {
		term, out := onTerminal(t, root...)
		term.Until(asks, 1)
		if term.Echoes() {
			t.Error("what is typed is shown")
		}
		term.Type("notThis\n")
		term.Until("It does not fit.", 1)
		term.Until(asks, 2)
		term.Type("secret\n")
		if code := term.Wait(); code != 0 || strings.TrimSpace(out.String()) != "stack-lvm-on-luks /dev/vg/root" {
			t.Errorf("exit status %d, output %q", code, out.String())
		}
		if said := term.Said(); strings.Contains(said, "secret") || strings.Contains(said, "notThis") || !term.Echoes() {
			t.Errorf("%q, echo %v", said, term.Echoes())
		}
	})
	t.Run("three tries", func(t *testing.T) {
		term, _ := onTerminal(t, root...)
		for i := range maxAsked {
			term.Until(asks, i+1)
			term.Type("notThis\n")
		}
		code := term.Wait()
		if said := term.Said(); code != 1 || strings.Count(said, asks) != maxAsked || !strings.Contains(said, "is encrypted") || strings.Contains(said, "notThis") {
			t.Errorf("exit status %d, %q", code, said)
		}
	})
	t.Run("a signal", func(t *testing.T) {
		term, _ := onTerminal(t, root...)
		term.Until(asks, 1)
		if err := term.Cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := term.Wait(); code != exitSignal || !term.Echoes() {
			t.Errorf("exit status %d, echo %v", code, term.Echoes())
		}
	})
	// Only if needed: not for what is not encrypted, with a key, or for a list of devices.
	for name, args := range map[string][]string{
		"boot": {"cat", "-m", "/dev/sda1", disk + ":/hello.txt"},
		"key":  append([]string{"cat", "--key", "all:key:secret"}, root[1:]...),
		"info": {"info", disk},
	} {
		t.Run(name, func(t *testing.T) {
			term, _ := onTerminal(t, args...)
			if code := term.Wait(); code != 0 || strings.Contains(term.Said(), "Passphrase") {
				t.Errorf("exit status %d, %q", code, term.Said())
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
