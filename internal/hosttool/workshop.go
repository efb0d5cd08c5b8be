package hosttool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the user and the group that tools have instead of root.
const nobody = 65534

// A Workshop is a directory of the host with files that tools work on.
type Workshop struct {
	dir   string
	owner *syscall.Credential // that tools run as; nil for our own
	files []*os.File
}

// New makes a workshop, which has to be closed. It is in $TMPDIR, or in /var/tmp rather
// than /tmp, since what is copied may be large and /tmp may be memory.
func New() (*Workshop, error) {
	w := &Workshop{}
	parents := []string{"/var/tmp", "/tmp"}
	if dir := os.Getenv("TMPDIR"); dir != "" {
		parents = slices.Insert(parents, 0, dir)
	}
	if os.Geteuid() == 0 {
		w.owner = &syscall.Credential{Uid: nobody, Gid: nobody}
		parents = slices.DeleteFunc(parents, func(dir string) bool { return !reachable(dir) })
	}
	err := errors.New("no directory for temporary files is accessible to all users: set TMPDIR")
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
			// We are the root of a user namespace that has no other user: to the host
			// we are an ordinary one already.
			w.owner, err = nil, nil
		}
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// reachable reports whether all users may go through a directory and those above it.
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

// Dir returns the host path of the directory.
func (w *Workshop) Dir() string { return w.dir }

// Owner returns the user that tools run as, to whom the files in the workshop have to
// belong, or nil if that is this program's own.
func (w *Workshop) Owner() *syscall.Credential { return w.owner }

// Close removes the directory with all that is in it.
func (w *Workshop) Close() {
	for _, f := range w.files {
		f.Close()
	}
	os.RemoveAll(w.dir)
}

// File makes an empty, sparse file of size bytes, which is open until the workshop is
// closed.
func (w *Workshop) File(name string, size int64) (*os.File, error) {
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

// env is the environment of tools.
func (w *Workshop) env() []string {
	return []string{"LC_ALL=C", "HOME=" + w.dir, "TMPDIR=" + w.dir, "PATH=" + os.Getenv("PATH") + ":" + strings.Join(SearchPath, ":")}
}
