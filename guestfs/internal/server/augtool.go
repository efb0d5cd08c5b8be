package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// # augtool
//
// Augeas is a library of C. Its own shell, augtool(1), has all of it: one runs as long as
// a handle is open, as nobody, on copies of files, and is asked by commands. It says
// nothing after an answer that would tell where it ends, so each command is followed by
// one whose answer only we can know.

// augTools are the programs without which there is no Augeas. augtool itself would keep
// what it says as long as its output is a pipe; stdbuf has it say each line.
var augTools = []string{"augtool", "stdbuf"}

// maxAugAnswer is how long an answer may be, in bytes. What the library takes is 4 MiB.
const maxAugAnswer = 16 << 20

// augKeys configures readline(3), through which augtool reads commands even if nobody
// types them: every byte stands for itself but newline, which ends a command, and the one
// that quotes the next, which escape needs.
func augKeys() string {
	var b strings.Builder
	for _, set := range []string{"input-meta on", "output-meta on", "convert-meta off", "byte-oriented on", "disable-completion on",
		"enable-bracketed-paste off", "bind-tty-special-chars off", "keymap emacs"} {
		b.WriteString("set " + set + "\n")
	}
	for c := 1; c <= 0x7f; c++ {
		if c == 0x20 {
			c = 0x7f
		}
		if c != '\n' && c != augQuote && c != 0x1b {
			fmt.Fprintf(&b, "\"\\x%02x\": self-insert\n", c)
		}
	}
	fmt.Fprintf(&b, "\"\\x%02x\": quoted-insert\n", augQuote)
	return b.String()
}

// augQuote is the byte after which the next one stands for itself.
const augQuote = 0x16

// augtool is a running augtool.
type augtool struct {
	in   *os.File
	out  *os.File
	root string // the directory that its root is, of the host
	name string // and what that stands for
	buf  []byte // that is read into
	done <-chan struct{}
	proc *os.Process
	gone bool // no more can be expected of it
}

// startAugtool starts an augtool in a workshop, with the first attributes that the host
// allows. Its root is a directory there, and called by another name. It has to be closed.
func startAugtool(w *workshop, root, name string, args ...string) (*augtool, error) {
	path, err := findTool("augtool")
	if err != nil {
		return nil, err
	}
	stdbuf, err := findTool("stdbuf")
	if err != nil {
		return nil, err
	}
	keys := filepath.Join(w.dir, "inputrc")
	if err := os.WriteFile(keys, []byte(augKeys()), 0o644); err != nil {
		return nil, err
	}
	// The umask of ours may be any.
	if err := os.Chmod(keys, 0o644); err != nil {
		return nil, err
	}
	env := append(w.env(), "INPUTRC="+keys, "TERM=dumb")
	argv := withLimits(stdbuf, append([]string{"-oL", path, "-L", "-r", root}, args...))
	for _, attr := range w.attributes(tool{use: toolReads}) {
		var a *augtool
		if a, err = spawnAugtool(w, path, env, attr, argv); err == nil {
			a.root, a.name = root, name
			return a, nil
		}
	}
	return nil, fmt.Errorf("augtool: %w", err)
}

// spawnAugtool starts a command that becomes the augtool at path.
func spawnAugtool(w *workshop, path string, env []string, attr *syscall.SysProcAttr, argv []string) (*augtool, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer stdout.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = w.dir, env, attr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	started := make(chan error)
	a := &augtool{in: in, out: out}
	a.done = w.onThread(path, false, func() {
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	a.proc = cmd.Process
	return a, nil
}

// close ends the process and waits until it is gone.
func (a *augtool) close() {
	a.proc.Kill()
	<-a.done
	a.in.Close()
	a.out.Close()
}

var (
	errAugGone    = errors.New("augtool ended unexpectedly")
	errAugTooLong = fmt.Errorf("augtool answers with more than %d bytes", maxAugAnswer)
)

// ask gives a command and returns the answer. The error is an *augError if that is one.
// After others, the augtool is gone.
func (a *augtool) ask(ctx context.Context, words ...string) (string, error) {
	// Somebody who is asked no more must not keep us, whatever has become of it.
	past := time.Unix(1, 0)
	stop := func() {
		a.proc.Kill()
		a.in.SetDeadline(past)
		a.out.SetDeadline(past)
	}
	defer context.AfterFunc(ctx, stop)()
	nonce := "/" + rand.Text()
	command := strings.Join(words, " ") + "\nget " + nonce + "\n"
	// At the same time: who does not read us may wait for us to read.
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(a.in, command)
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
	if said := parseAugError(answer); said != nil {
		if strings.Contains(command, augClose) || strings.Contains(command, augBegin) {
			said.details = augPlain(said.details)
		}
		return "", said
	}
	return answer, nil
}

// answer reads until a line that ends it.
func (a *augtool) answer(end string) (string, error) {
	a.buf = a.buf[:0]
	for {
		if cap(a.buf)-len(a.buf) < 4<<10 {
			a.buf = append(make([]byte, 0, max(64<<10, 2*cap(a.buf))), a.buf...)
		}
		n, err := a.out.Read(a.buf[len(a.buf):cap(a.buf)])
		a.buf = a.buf[:len(a.buf)+n]
		if rest, ok := bytes.CutSuffix(a.buf, []byte(end)); ok && (len(rest) == 0 || rest[len(rest)-1] == '\n') {
			return string(rest), nil
		}
		if len(a.buf) > maxAugAnswer {
			return "", errAugTooLong
		}
		if err != nil {
			return "", errAugGone
		}
	}
}

// augWord quotes an argument that is no path expression.
func augWord(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", unix.EINVAL
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"':
			b.WriteString("\\" + s[i:i+1])
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case augQuote, 0x1b:
			b.Write([]byte{augQuote, c})
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// errAugBrackets is the error of a path expression that augtool cannot be given.
var errAugBrackets = errors.New("] without [ before it")

// What path expressions that augtool would not take as they are get around them, of no
// meaning and unlike what anybody writes.
const (
	augClose = `[']'!='']` // a bracket more that closes than opens
	augBegin = "(( "
	augEnd   = "))"
)

// augAround returns what has to be before and after a path expression. augtool counts
// brackets, those in strings too, but not those after a backslash; and it takes away
// slashes and spaces at the end.
func augAround(path string) (before, after string) {
	if depth := augDepth(path); depth > 0 {
		return "", strings.Repeat(augClose, depth)
	}
	if path != "/" && path != strings.TrimRight(path, "/ \t\n\v\f\r") {
		return augBegin, augEnd
	}
	return "", ""
}

// augPlain takes away again what augAround has added.
func augPlain(s string) string {
	s = strings.ReplaceAll(s, augClose, "")
	if before, after, ok := strings.Cut(s, augBegin); ok {
		s = before + strings.TrimSuffix(after, augEnd)
	}
	return s
}

// augDepth returns how many brackets stay open, or a negative number if one closes that
// has not been open.
func augDepth(path string) (depth int) {
	for i := 0; i < len(path) && depth >= 0; i++ {
		switch path[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			depth--
		}
	}
	return depth
}

// augBracketError returns the error of a path expression of which augtool does not look at
// more than the brackets: the one that the library has for it, if it is wrong for sure.
func augBracketError(path string) error {
	const bad = "Invalid path expression"
	quoted := strings.ContainsAny(path, `'"`)
	if depth := augDepth(path); depth > 0 && !quoted && strings.HasSuffix(path, "[") {
		return &augError{bad, "illegal string literal", path + "|=|"}
	} else if depth >= 0 {
		return nil
	}
	if quoted {
		return errAugBrackets
	}
	at := 1
	for augDepth(path[:at]) >= 0 {
		at++
	}
	return &augError{bad, "garbage at end of path expression", path[:at-1] + "|=|" + path[at-1:]}
}

// augPath quotes a path expression. A backslash before a bracket is given as it is.
func augPath(s string) (string, error) {
	if err := augBracketError(s); err != nil {
		return "", err
	}
	before, after := augAround(s)
	word, err := augWord(before + s + after)
	if err != nil {
		return "", err
	}
	return augBrackets.Replace(word), nil
}

var augBrackets = strings.NewReplacer(`\\\\`, `\\\\`, `\\[`, `\[`, `\\]`, `\]`)

// augLabel returns a label as it stands in a path expression.
func augLabel(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\n\\][|/=()!,", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
