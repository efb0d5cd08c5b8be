package customize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/treecopy"
)

func (p *Plan) runFile(hostPath string) error {
	script, err := readHost(hostPath)
	if err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("running %s", hostPath)
		return g.script(ctx, hostPath, string(script), false, nil)
	})
}

func (p *Plan) runCommand(command string) error {
	if strings.TrimSpace(command) == "" {
		return errors.New("no command")
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("running: %s", printable(command))
		return g.script(ctx, command, command+"\n", false, nil)
	})
}

// program returns a script as a file that can be executed.
func program(content string) string {
	if strings.HasPrefix(content, "#!") || strings.HasPrefix(content, "\x7fELF") {
		return content
	}
	return "#!/bin/sh\n" + content
}

// RunScript runs a shell script of commands in the guest, as the option run-command does.
func (g *Guest) RunScript(ctx context.Context, what, script string) error {
	return g.script(ctx, what, script, false, nil)
}

// script runs a script in the guest, from a file there: what it says must not be in the
// arguments of a program. Its output goes to the log in the guest.
func (g *Guest) script(ctx context.Context, what, content string, network bool, stdin io.Reader) error {
	if g.Runner == nil {
		return fmt.Errorf("%s: %w", printable(what), ErrNoRunner)
	}
	dir := "."
	if g.isDir("/tmp") {
		dir = "tmp"
	}
	dir, err := treecopy.RealPath(g.FS, dir)
	if err != nil {
		return about(dir, err)
	}
	file := path.Join(dir, ".unboot-"+g.token())
	content = program(content)
	if err := g.FS.Put(file, &unboot.Metadata{Mode: 0o700, UID: 0, GID: 0, Size: int64(len(content))}, strings.NewReader(content)); err != nil {
		return about(file, err)
	}
	log, err := g.openLog()
	if err != nil {
		g.warn("there will be no log in the guest: %v", err)
	}
	last := &tail{max: 4 << 10}
	var out io.Writer = last
	if log != nil {
		out = io.MultiWriter(last, log)
	}
	err = g.Runner.Run(ctx, &Program{Path: "/" + file, Stdin: stdin, Stdout: out, Stderr: out, Network: network})
	if rerr := g.FS.Remove(file); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		g.warn("%v", about(file, rerr))
	}
	if log != nil {
		if cerr := log.Close(); cerr != nil {
			g.warn("%v", about(g.logFile(), cerr))
		}
	}
	if err == nil {
		return nil
	}
	text := last.text()
	if text != "" {
		text = "\n" + text
	}
	return fmt.Errorf("%s: %w%s", printable(what), err, text)
}

// logFile is where virt-customize has the output of programs.
func (g *Guest) logFile() string {
	dir := "/tmp"
	if g.System.Type == inspect.Windows || g.System.Type == inspect.DOS {
		dir = "/Temp"
	}
	if !g.isDir(dir) {
		dir = "/"
	}
	return path.Join(dir, "builder.log")
}

// openLog opens the log. All users of the guest can make files in its directory: a link or
// the like that one has put there is not followed.
func (g *Guest) openLog() (*unboot.File, error) {
	name := unboot.CleanPath(g.logFile())
	st, err := g.FS.Lstat(name)
	if err == nil && !st.Mode().IsRegular() {
		return nil, about(name, errNotRegular)
	}
	f, err := g.FS.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	return f, about(name, err)
}

// dropLog removes the log, overwritten if that can be done.
func (g *Guest) dropLog(ctx context.Context) error {
	name := g.logFile()
	st, err := g.FS.Lstat(unboot.CleanPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	g.say("scrubbing the log")
	if err == nil && st.Mode().IsRegular() && g.scrub(ctx, name) == nil {
		return nil
	}
	return g.remove(name)
}

// A tail keeps the end of what is written to it.
type tail struct {
	buf []byte
	cut bool
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - t.max; n > 0 {
		t.buf, t.cut = append(t.buf[:0], t.buf[n:]...), true
	}
	return len(p), nil
}

// text returns the last lines, without what a terminal would obey.
func (t *tail) text() string {
	b := t.buf
	if t.cut {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "?")), "\n")
}
