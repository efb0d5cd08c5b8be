package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
)

// A target is an argument of the form IMAGE[:PATH].
type target struct {
	arg   string
	image string // host path
	// path is in the image, as the user wrote it; "" if the argument has none.
	path string
}

// parseTarget divides an argument. A file whose whole name is the argument wins
// over one with a path; of several colons, the first that has a file before it.
// If nothing exists, the error to come is about what stands before the first.
func parseTarget(arg string) target {
	if t, ok := existingTarget(arg); ok {
		return t
	}
	if isRemote(arg) {
		return target{arg, arg, ""}
	}
	image, path, _ := strings.Cut(arg, ":")
	return target{arg, image, path}
}

// remoteSchemes are how the addresses of images elsewhere begin, as URLs and as qemu
// has them.
var remoteSchemes = []string{
	"http", "https", "ftp", "ftps", "sftp", "ssh", "scp", "tftp", "nbd", "nbds", "nbd+unix", "nbds+unix", "rbd", "iscsi",
	"gluster", "s3", "gs", "oci", "docker",
}

// isRemote reports whether an argument that is no file is such an address.
func isRemote(arg string) bool {
	scheme, rest, ok := strings.Cut(arg, ":")
	scheme = strings.ToLower(scheme)
	return ok && slices.Contains(remoteSchemes, scheme) &&
		(strings.HasPrefix(rest, "//") || scheme == "nbd" || scheme == "rbd" || scheme == "iscsi")
}

var errRemote = errors.New("remote images are not supported yet (download the image first)")

// existingTarget is parseTarget where a host path is as likely: it reports whether
// there is such an image.
func existingTarget(arg string) (target, bool) {
	if isImage(arg) {
		return target{arg, arg, ""}, true
	}
	for i := 0; i < len(arg); i++ {
		if arg[i] == ':' && isImage(arg[:i]) {
			path := arg[i+1:]
			if path == "" {
				path = "/"
			}
			return target{arg, arg[:i], path}, true
		}
	}
	return target{}, false
}

func isImage(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}

// clean is the path as package unboot wants it.
func (t *target) clean() string { return unboot.CleanPath(t.path) }

// An opened image, and the tree mounted from it.
type opened struct {
	path  string // as the user called it
	stat  os.FileInfo
	write bool
	// written says that another program writes to it, of which was warned.
	written bool
	told    atomic.Bool   // that the kernel has ended
	clock   time.Time     // if not zero, the image must come out the same each time
	cpu     time.Duration // that the kernel may take, 0 without a limit
	img     *unboot.Image
	fs      *unboot.FS
	mount   error // why there is no fs

	cancel context.CancelFunc
	owners *owners
}

// open opens an image without mounting anything, or returns the one opened
// before.
func (a *app) open(path string, write bool) (*opened, error) {
	st, err := os.Stat(path)
	if err != nil && isRemote(path) {
		return nil, fmt.Errorf("%s: %w", quote(path), errRemote)
	}
	if err == nil {
		for _, o := range a.images {
			if os.SameFile(o.stat, st) && (o.write || !write) {
				return o, nil
			}
		}
	}
	o := &opened{path: path, stat: st, write: write}
	if write {
		if o.clock, err = sourceDate(); err != nil {
			return nil, err
		}
		a.writing.Store(true)
	}
	o.written = a.awaitWriters(path, write)
	ctx := a.life
	if a.opts.timeout > 0 {
		ctx, o.cancel = context.WithTimeoutCause(ctx, a.opts.timeout, &timeoutError{a.opts.timeout})
	}
	o.img, err = unboot.Open(ctx, path, a.openOptions(o)...)
	if err != nil {
		if o.cancel != nil {
			o.cancel()
		}
		return nil, openError(path, err)
	}
	a.limit(o)
	a.images = append(a.images, o)
	return o, nil
}

// openError names the image once, and says what may help.
func openError(path string, err error) error {
	var pe *fs.PathError
	hint := ""
	if errors.As(err, &pe) && pe.Path == path {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		if image, _, ok := strings.Cut(path, ":"); ok && image != path {
			hint = " (IMAGE:PATH?)"
		}
	}
	if errors.Is(err, disk.ErrNotAllowed) {
		hint = " (if you trust the image: --backing-files)"
	}
	return fmt.Errorf("%s: %w%s", quote(path), err, hint)
}

// tree opens an image and mounts what the options say, or what there is.
func (a *app) tree(path string, write bool) (*opened, error) {
	o, err := a.open(path, write)
	if err != nil {
		return nil, err
	}
	if o.fs == nil && o.mount == nil {
		o.fs, o.mount = a.mount(o)
		if o.fs != nil {
			for _, p := range o.fs.Problems() {
				a.warn(fmt.Errorf("%s: %s", quote(path), p))
			}
		}
	}
	return o, o.mount
}

// target opens the tree of an argument.
func (a *app) target(arg string, write bool) (*opened, target, error) {
	t := parseTarget(arg)
	o, err := a.tree(t.image, write)
	return o, t, err
}
