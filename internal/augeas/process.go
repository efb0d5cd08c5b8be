package augeas

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/unboot/unboot/internal/hosttool"
)

// Tools are the programs of the host without which there is no Augeas. augtool itself would
// keep its output back as long as that is a pipe; stdbuf has it write each line.
var Tools = []string{"augtool", "stdbuf"}

// maxAnswer is how long an answer may be, in bytes. The library takes 4 MiB.
const maxAnswer = 16 << 20

// inputrc configures readline(3), through which augtool reads commands even if nobody
// types them: every byte stands for itself but newline, which ends a command, and the one
// that quotes the next, which escape needs.
func inputrc() string {
	var b strings.Builder
	for _, set := range []string{"input-meta on", "output-meta on", "convert-meta off", "byte-oriented on", "disable-completion on",
		"enable-bracketed-paste off", "bind-tty-special-chars off", "keymap emacs"} {
		b.WriteString("set " + set + "\n")
	}
	for c := 1; c <= 0x7f; c++ {
		if c == 0x20 {
			c = 0x7f
		}
		if c != '\n' && c != quoteNext && c != 0x1b {
			fmt.Fprintf(&b, "\"\\x%02x\": self-insert\n", c)
		}
	}
	fmt.Fprintf(&b, "\"\\x%02x\": quoted-insert\n", quoteNext)
	return b.String()
}

// quoteNext is the byte after which the next one stands for itself.
const quoteNext = 0x16

// A process is a running augtool.
type process struct {
	p    *hosttool.Process
	root string // the directory that its root is, of the host
	name string // and what that stands for
	buf  []byte // that is read into
	gone bool   // no more can be expected of it
}

// start starts an augtool in a workshop. Its root is a directory there, and called by
// another name in what it says. It has to be closed.
func start(w *hosttool.Workshop, root, name string, args ...string) (*process, error) {
	path, err := hosttool.Find("augtool")
	if err != nil {
		return nil, err
	}
	keys := filepath.Join(w.Dir(), "inputrc")
	if err := os.WriteFile(keys, []byte(inputrc()), 0o644); err != nil {
		return nil, err
	}
	// Our umask may be any.
	if err := os.Chmod(keys, 0o644); err != nil {
		return nil, err
	}
	p, err := w.Start(hosttool.Command{
		Name: "stdbuf", Args: append([]string{"-oL", path, "-L", "-r", root}, args...), Runs: []string{path},
	}, "INPUTRC="+keys, "TERM=dumb")
	if err != nil {
		return nil, err
	}
	return &process{p: p, root: root, name: name}, nil
}

// close ends the process and waits until it is gone.
func (a *process) close() { a.p.Close() }

var (
	errGone    = errors.New("augtool ended unexpectedly")
	errTooLong = fmt.Errorf("augtool answers with more than %d bytes", maxAnswer)
)

// ask gives a command and returns the answer. The error is an *Error if augtool has
// reported one. After any other error, the process is gone.
func (a *process) ask(ctx context.Context, words ...string) (string, error) {
	// A process that is no longer waited for must not keep us, whatever it does.
	past := time.Unix(1, 0)
	stop := func() {
		a.p.Kill()
		a.p.In.SetDeadline(past)
		a.p.Out.SetDeadline(past)
	}
	defer context.AfterFunc(ctx, stop)()
	nonce := "/" + rand.Text()
	command := strings.Join(words, " ") + "\nget " + nonce + "\n"
	// At the same time, as a process that does not read may be waiting for us to read.
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(a.p.In, command)
		wrote <- err
	}()
	answer, err := a.answer(nonce + " (o)\n")
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		stop()
		a.gone = true
	}
	<-wrote
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", err
	}
	answer = strings.ReplaceAll(answer, a.root, a.name)
	if said := parseError(answer); said != nil {
		if strings.Contains(command, closing) || strings.Contains(command, beginning) {
			said.Details = plain(said.Details)
		}
		return "", said
	}
	return answer, nil
}

// answer reads until a line that ends it.
func (a *process) answer(end string) (string, error) {
	a.buf = a.buf[:0]
	for {
		if cap(a.buf)-len(a.buf) < 4<<10 {
			a.buf = append(make([]byte, 0, max(64<<10, 2*cap(a.buf))), a.buf...)
		}
		n, err := a.p.Out.Read(a.buf[len(a.buf):cap(a.buf)])
		a.buf = a.buf[:len(a.buf)+n]
		if rest, ok := bytes.CutSuffix(a.buf, []byte(end)); ok && (len(rest) == 0 || rest[len(rest)-1] == '\n') {
			return string(rest), nil
		}
		if len(a.buf) > maxAnswer {
			return "", errTooLong
		}
		if err != nil {
			return "", errGone
		}
	}
}
