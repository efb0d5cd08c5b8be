package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
)

// # Tools of the host
//
// To make, check and resize file systems is the work of their own tools, which are the
// host's. A tool gets a file of the size of the device, which is sparse and has what is
// on the device as our kernel sees it, and what the tool has changed is written back.
// That takes no privilege, no module and no loop device of the host.
//
// What is on a device may be hostile, and tools are not made for that: confine.go says
// what they may do.

// maxToolOutput is how much of what a tool says is kept, in bytes.
const maxToolOutput = 256 << 10

// toolPath is where tools are looked for after $PATH.
var toolPath = []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"}

// findTool returns the host path of a program.
func findTool(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return "", missingTool(name)
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range toolPath {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", missingTool(name)
}

func missingTool(name string) error {
	return &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("not available in unboot: there is no program %s on this host", name)}
}

// hasTools reports whether programs are there.
func hasTools(names ...string) bool {
	for _, name := range names {
		if _, err := findTool(name); err != nil {
			return false
		}
	}
	return true
}

// A workshop is a directory of the host with files that tools work on.
type workshop struct {
	dir   string
	owner *syscall.Credential // that tools run as; nil for our own
	files []*os.File
}

// newWorkshop makes a workshop. It has to be closed. It is in $TMPDIR or, since what is
// copied may be large, rather in /var/tmp than in /tmp, which may be memory.
func newWorkshop() (*workshop, error) {
	w := &workshop{}
	parents := []string{"/var/tmp", "/tmp"}
	if dir := os.Getenv("TMPDIR"); dir != "" {
		parents = slices.Insert(parents, 0, dir)
	}
	if os.Geteuid() == 0 {
		w.owner = &syscall.Credential{Uid: nobody, Gid: nobody}
		parents = slices.DeleteFunc(parents, func(dir string) bool { return !reachable(dir) })
	}
	err := errorf("no directory for temporary files can be reached by everybody: set TMPDIR")
	for _, dir := range parents {
		if w.dir, err = os.MkdirTemp(dir, "unboot-tool-"); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if w.owner != nil {
		err = os.Chown(w.dir, nobody, nobody)
		if errors.Is(err, unix.EINVAL) {
			// The root of a user namespace in which there is nobody else: the host
			// has it for an ordinary user.
			w.owner, err = nil, nil
		}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// reachable reports whether everybody may go through a directory and all above it.
func reachable(dir string) bool {
	dir, err := filepath.Abs(dir)
	for err == nil {
		var st os.FileInfo
		if st, err = os.Stat(dir); err != nil || st.Mode()&1 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
		dir = filepath.Dir(dir)
	}
	return false
}

func (w *workshop) close() {
	for _, f := range w.files {
		f.Close()
	}
	os.RemoveAll(w.dir)
}

// file makes an empty, sparse file of size bytes.
func (w *workshop) file(name string, size int64) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w.files = append(w.files, f)
	if w.owner != nil {
		if err := f.Chown(nobody, nobody); err != nil {
			return nil, err
		}
	}
	return f, f.Truncate(size)
}

// A toolError is the error of a tool that has failed.
type toolError struct {
	name   string
	code   int // exit status, or -1 if a signal has ended it
	output string
}

func (e *toolError) Error() string {
	text := strings.TrimSpace(e.output)
	if text == "" {
		return fmt.Sprintf("%s exited with status %d", e.name, e.code)
	}
	return e.name + ": " + text
}

// run runs a tool and returns what it says on standard output, if that goes nowhere
// else. If it fails, the error is a *toolError with what it said altogether, in which
// host paths of the workshop are replaced by the names of the devices.
func (w *workshop) run(ctx context.Context, names map[string]string, t tool) (string, error) {
	out, err := w.start(ctx, names, t, w.attributes(t))
	if !mountStatus(err) || w.owner == nil || t.in != nil || !hasTools("sh", "setpriv") {
		return out, err
	}
	again, aerr := w.start(ctx, names, withoutLoops(t), []*syscall.SysProcAttr{{
		Pdeathsig: syscall.SIGKILL, Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC, Unshareflags: unix.CLONE_NEWNS,
	}})
	var failed *toolError
	switch {
	case aerr == nil:
		return again, nil
	case errors.As(aerr, &failed) && !mountStatus(aerr):
		failed.name = t.name
		return again, aerr
	}
	return out, err
}

// mountStatus reports whether a tool has failed because it could not find out if what it
// works on is mounted on the host: the tools of btrfs look at the files of all loop
// devices, and nobody may not.
func mountStatus(err error) bool {
	var failed *toolError
	return errors.As(err, &failed) && strings.Contains(failed.output, "check mount status")
}

// withoutLoops returns a tool that becomes nobody itself, after it has unmounted what
// loop devices have. It has to be started in a mount namespace of its own.
func withoutLoops(t tool) tool {
	const script = `
cut -d ' ' -f 1 /proc/self/mounts | grep '^/dev/loop' | sort -u | xargs -r -n 1 umount -A -l
exec setpriv --reuid "$0" --regid "$0" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs --pdeathsig KILL -- "$@"`
	t.args = append([]string{"-c", script, fmt.Sprint(nobody), t.name}, t.args...)
	t.name, t.mounts = "sh", true
	return t
}

// start runs a tool with the first attributes that the host allows.
func (w *workshop) start(ctx context.Context, names map[string]string, t tool, attributes []*syscall.SysProcAttr) (string, error) {
	path, err := findTool(t.name)
	if err != nil {
		return "", err
	}
	stdout, all := &limited{}, &limited{}
	argv := withLimits(path, t.args)
	<-w.onThread(path, t.mounts, func() {
		for _, attr := range attributes {
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
			cmd.Dir, cmd.SysProcAttr = w.dir, attr
			cmd.Env = w.env()
			cmd.Stdin, cmd.Stdout, cmd.Stderr = t.in, t.out, all
			if t.out == nil {
				cmd.Stdout = both{stdout, all}
			}
			// Who does not read or write the streams must not keep a tool that is killed.
			cmd.WaitDelay = toolPatience
			if err = cmd.Start(); err == nil {
				err = cmd.Wait()
				break
			}
		}
	})
	rename := func(b *limited) string {
		text := b.String()
		for file, device := range names {
			text = strings.ReplaceAll(text, filepath.Join(w.dir, file), device)
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
		return rename(stdout), &toolError{t.name, exit.ExitCode(), rename(all)}
	}
	return "", fmt.Errorf("%s: %w", t.name, err)
}

// env is the environment of tools.
func (w *workshop) env() []string {
	return []string{"LC_ALL=C", "HOME=" + w.dir, "TMPDIR=" + w.dir, "PATH=" + os.Getenv("PATH") + ":" + strings.Join(toolPath, ":")}
}

// toolPatience is how long the streams of a tool that was killed are waited for.
const toolPatience = 5 * time.Second

// limited keeps the beginning of what is written to it, by several at a time.
type limited struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p[:min(len(p), max(0, maxToolOutput-l.b.Len()))])
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type both [2]*limited

func (b both) Write(p []byte) (int, error) {
	b[0].Write(p)
	return b[1].Write(p)
}
