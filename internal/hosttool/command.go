package hosttool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Use is what a tool does with what it works on.
type Use int

const (
	Reads   Use = iota // it changes nothing
	Changes            // it changes something of what is there
	Makes              // it overwrites everything, and need not see what is there
)

// A Command is a program of the host with its arguments.
type Command struct {
	Name string // without a directory
	Args []string
	Use  Use

	In  io.Reader // standard input; may be nil
	Out io.Writer // gets standard output, if not nil

	// Runs are the host paths of other programs that it starts, which may be where tools
	// usually cannot read.
	Runs []string

	// Names are what files of the workshop are called in all that the tool says.
	Names map[string]string

	mounts bool // it is a script that mounts or unmounts, which Landlock forbids
}

// An Error is the error of a tool that has failed.
type Error struct {
	Name   string // of the tool
	Status int    // exit status, or -1 if a signal has ended it
	Output string // what it has said on both streams, cut off where that is long
}

func (e *Error) Error() string {
	text := strings.TrimSpace(e.Output)
	if text == "" {
		return fmt.Sprintf("%s exited with status %d", e.Name, e.Status)
	}
	return e.Name + ": " + text
}

// patience is how long the streams of a tool that was killed are waited for.
const patience = 5 * time.Second

// Run runs a tool in the workshop and returns the beginning of its standard output, unless
// that goes to c.Out. The error is a *[MissingError], the cause of ctx's end, or an *[Error]
// if the tool has failed.
func (w *Workshop) Run(ctx context.Context, c Command) (string, error) {
	out, err := w.run(ctx, c, w.attributes(c))
	if !mountStatus(err) || w.owner == nil || c.In != nil || !Has("sh", "setpriv") {
		return out, err
	}
	again, aerr := w.run(ctx, withoutLoops(c), []*syscall.SysProcAttr{{
		Pdeathsig: syscall.SIGKILL, Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC, Unshareflags: unix.CLONE_NEWNS,
	}})
	var failed *Error
	switch {
	case aerr == nil:
		return again, nil
	case errors.As(aerr, &failed) && !mountStatus(aerr):
		failed.Name = c.Name
		return again, aerr
	}
	return out, err
}

// mountStatus reports whether a tool has failed because it could not find out if what it
// works on is mounted on the host: the tools of btrfs look at the files of all loop
// devices, and nobody may not.
func mountStatus(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && strings.Contains(failed.Output, "check mount status")
}

// withoutLoops returns a command that unmounts what loop devices have, becomes nobody, and
// then is c. It has to be started in a mount namespace of its own.
func withoutLoops(c Command) Command {
	const script = `
cut -d ' ' -f 1 /proc/self/mounts | grep '^/dev/loop' | sort -u | xargs -r -n 1 umount -A -l
exec setpriv --reuid "$0" --regid "$0" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs --pdeathsig KILL -- "$@"`
	c.Args = append([]string{"-c", script, fmt.Sprint(nobody), c.Name}, c.Args...)
	c.Name, c.mounts = "sh", true
	return c
}

// run runs a command with the first attributes that the host allows.
func (w *Workshop) run(ctx context.Context, c Command, attributes []*syscall.SysProcAttr) (string, error) {
	path, err := Find(c.Name)
	if err != nil {
		return "", err
	}
	stdout, all := &limited{}, &limited{}
	argv := withLimits(path, c.Args)
	<-w.onThread(append([]string{path}, c.Runs...), c.mounts, func() {
		for _, attr := range attributes {
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Dir, cmd.SysProcAttr = w.dir, attr
			cmd.Env = w.env()
			cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, all
			if c.Out == nil {
				cmd.Stdout = both{stdout, all}
			}
			// A reader or writer that blocks must not keep a tool that is killed.
			cmd.WaitDelay = patience
			if err = cmd.Start(); err == nil {
				err = cmd.Wait()
				break
			}
		}
	})
	rename := func(b *limited) string {
		text := b.String()
		for file, name := range c.Names {
			text = strings.ReplaceAll(text, filepath.Join(w.dir, file), name)
		}
		return text
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return rename(stdout), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &exit):
		return rename(stdout), &Error{c.Name, exit.ExitCode(), rename(all)}
	}
	return "", fmt.Errorf("%s: %w", c.Name, err)
}
