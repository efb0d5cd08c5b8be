package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/protocol"
)

// # Tools of the host
//
// To make, check and resize file systems is the work of their own tools, which are the
// host's. A tool gets a file of the size of the device, which is sparse and has what is
// on the device as our kernel sees it, and what the tool has changed is written back.
// That takes no privilege and no module of the host. docs/rationale.md says more.
//
// What is on a device may be hostile, and tools are not made for that: if this program
// is root, they run as nobody.

// nobody runs tools for root.
const nobody = 65534

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

// A workshop is a directory of the host with files that tools work on.
type workshop struct {
	dir   string
	owner *syscall.Credential // that tools run as; nil for our own
	files []*os.File
}

// newWorkshop makes a workshop. It has to be closed.
func newWorkshop() (*workshop, error) {
	w := &workshop{}
	parents := []string{os.TempDir(), "/var/tmp", "/tmp"}
	if os.Geteuid() == 0 {
		w.owner = &syscall.Credential{Uid: nobody, Gid: nobody}
		parents = slices.DeleteFunc(parents, func(dir string) bool { return !reachable(dir) })
		if len(parents) == 0 {
			return nil, errorf("no directory for temporary files can be reached by everybody: set TMPDIR")
		}
	}
	dir, err := os.MkdirTemp(parents[0], "unboot-tool-")
	if err != nil {
		return nil, err
	}
	w.dir = dir
	if w.owner != nil {
		err = os.Chown(dir, nobody, nobody)
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
	code   int // exit status, or -1
	output string
}

func (e *toolError) Error() string {
	text := strings.TrimSpace(e.output)
	if text == "" {
		return fmt.Sprintf("%s exited with status %d", e.name, e.code)
	}
	return e.name + ": " + text
}

// run runs a tool and returns what it says on standard output. If it fails, the error is
// a *toolError with what it said altogether, in which host paths of the workshop are
// replaced by the names of the devices.
func (w *workshop) run(ctx context.Context, names map[string]string, name string, args ...string) (string, error) {
	path, err := findTool(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+w.dir, "PATH="+os.Getenv("PATH")+":"+strings.Join(toolPath, ":"))
	stdout, all := &limited{}, &limited{}
	cmd.Stdout, cmd.Stderr = both{stdout, all}, all
	// A tool must not outlive us. The signal comes when the thread that started it
	// ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: w.owner}
	err = cmd.Run()
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
	case errors.As(err, &exit) && ctx.Err() == nil:
		return rename(stdout), &toolError{name, exit.ExitCode(), rename(all)}
	}
	return "", fmt.Errorf("%s: %w", name, err)
}

// limited keeps the beginning of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), max(0, maxToolOutput-l.Len()))])
	return len(p), nil
}

type both [2]*limited

func (b both) Write(p []byte) (int, error) {
	b[0].Write(p)
	return b[1].Write(p)
}

// toolUse is what a tool does with a device.
type toolUse int

const (
	toolReads   toolUse = iota
	toolChanges         // something of what is there
	toolMakes           // all anew: it need not see what is there
)

// deviceArg is the argument of tools that stands for the i-th device.
func deviceArg(i int) string { return fmt.Sprintf("\x00%d", i) }

// onDevice runs a tool on a device, for which deviceArg(0) stands in the arguments. ok
// are exit statuses that are no errors, besides 0.
func (s *Server) onDevice(ctx context.Context, use toolUse, device string, ok []int, name string, args ...string) (string, error) {
	return s.onDevices(ctx, use, []string{device}, ok, name, args...)
}

// onDevices runs a tool on devices, which must not be in use if it changes them.
func (s *Server) onDevices(ctx context.Context, use toolUse, devices []string, ok []int, name string, args ...string) (string, error) {
	if _, err := findTool(name); err != nil {
		return "", err
	}
	w, err := newWorkshop()
	if err != nil {
		return "", err
	}
	defer w.close()
	names := map[string]string{}
	var copies []*toolCopy
	args = slices.Clone(args)
	for i, device := range devices {
		flags := unix.O_RDONLY
		if use != toolReads {
			// Mounted devices are busy.
			flags = unix.O_RDWR | unix.O_EXCL
		}
		n, err := s.openNode(device, flags)
		if err != nil {
			return "", err
		}
		defer n.close()
		file := fmt.Sprint("device", i)
		f, err := w.file(file, n.size)
		if err != nil {
			return "", err
		}
		c := &toolCopy{n: n, f: f}
		if use != toolMakes {
			if err := c.fill(ctx); err != nil {
				return "", perror(err, "copy: %s", device)
			}
		}
		copies = append(copies, c)
		names[file] = device
		for j := range args {
			args[j] = strings.ReplaceAll(args[j], deviceArg(i), filepath.Join(w.dir, file))
		}
	}
	out, err := w.run(ctx, names, name, args...)
	var failed *toolError
	if errors.As(err, &failed) && slices.Contains(ok, failed.code) {
		err = nil
	}
	if use == toolMakes && err != nil {
		return out, err
	}
	if use != toolReads {
		// What a tool has changed before it failed is what it wanted, as on a disk.
		s.devicesChanged()
		for _, c := range copies {
			werr := c.writeBack(ctx, use == toolMakes)
			if err == nil && werr != nil {
				err = perror(werr, "write: %s", c.n.name)
			}
		}
	}
	return out, err
}
