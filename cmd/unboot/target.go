package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/qemudisk"
	"github.com/unboot/unboot/disk/remote"
	"github.com/unboot/unboot/disk/source"
)

// A target is an argument of the form IMAGE[:PATH].
type target struct {
	arg   string
	image string // host path, or the address of an image elsewhere
	// path is in the image, as the user wrote it; "" if the argument has none.
	path string
}

// parseTarget divides an argument. A file whose whole name is the argument is preferred
// over one with a path; of several colons, the first that has a file before it counts.
// Names of images may have colons, as those in /dev/disk/by-path do. If nothing exists,
// the error that follows is about the part before the first colon.
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

// remoteSchemes are the schemes of the addresses of remote images, as URLs and as qemu
// writes them. They are known for the sake of the error message.
var remoteSchemes = append([]string{"sftp", "scp", "tftp", "nbds", "nbds+unix", "s3", "gs", "oci", "docker"}, qemudisk.Schemes...)

// isRemote reports whether an argument that is not a file is such an address. qemu writes
// some without slashes; with others that would be an image with a path.
func isRemote(arg string) bool {
	scheme, rest, ok := strings.Cut(arg, ":")
	scheme = strings.ToLower(scheme)
	return ok && slices.Contains(remoteSchemes, scheme) &&
		(strings.HasPrefix(rest, "//") || scheme == "nbd" || scheme == "rbd" || scheme == "iscsi")
}

var errRemote = errors.New("images of this kind are not supported (download the image first)")

// noSource returns the error of an address for which there is no transport.
func noSource(arg string) error {
	if scheme, _, _ := strings.Cut(arg, ":"); slices.Contains(qemudisk.Schemes, strings.ToLower(scheme)) {
		return fmt.Errorf("%s: only QEMU knows images of this kind (with --via qemu, it is asked for their bytes)", quote(disk.Display(arg)))
	}
	return fmt.Errorf("%s: %w", quote(disk.Display(arg)), errRemote)
}

// sources are the ways to open an image: all that there are.
func sources() *source.Registry {
	if viaQEMU {
		return sourcesQEMU()
	}
	return sourcesOwn()
}

var (
	sourcesOwn  = sync.OnceValue(remote.Sources)
	sourcesQEMU = sync.OnceValue(remote.ViaQEMU)
	// viaQEMU is set by --via, before there is an argument that is looked at.
	viaQEMU bool
)

// remoteTarget divides the address of an image elsewhere and a path in that image, which
// begins with a slash: https://HOST/IMAGE:/PATH.
func remoteTarget(arg string) (target, bool) {
	if !sources().Remote(arg) {
		return target{}, false
	}
	scheme, rest, _ := strings.Cut(arg, "://")
	if rest == "" {
		// As QEMU writes it. That of NBD may have the path of a socket.
		if image, path, ok := strings.Cut(arg, ":/"); ok && !strings.HasPrefix(arg, "nbd:") {
			return target{arg, image, "/" + path}, true
		}
		return target{arg, arg, ""}, true
	}
	if image, ok := strings.CutSuffix(rest, ":"); ok {
		return target{arg, scheme + "://" + image, "/"}, true
	}
	if image, path, ok := strings.Cut(rest, ":/"); ok {
		return target{arg, scheme + "://" + image, "/" + path}, true
	}
	return target{arg, arg, ""}, true
}

// existingTarget is parseTarget where a host path is as likely: it reports whether such an
// image exists.
func existingTarget(arg string) (target, bool) {
	if t, ok := remoteTarget(arg); ok {
		return t, true
	}
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

// isImage reports whether a path can be that of an image.
func isImage(path string) bool { return source.IsImage(path) }

// clean returns the path as package unboot takes it, without a slash at either end.
func (t *target) clean() string { return unboot.CleanPath(t.path) }

// An opened is an open image, and the tree mounted from it. Each has a kernel of its own,
// so that what one image does to its kernel cannot touch another.
type opened struct {
	path string // as the user called it, without a password
	// address is where it is if that is elsewhere.
	address string
	stat    os.FileInfo
	write   bool
	// written is set if another program writes to it, which was reported.
	written bool
	told    atomic.Bool // the end of the kernel was reported
	clock   time.Time   // if not zero, the image must come out the same each time
	keys    *keys
	img     *unboot.Image
	fs      *unboot.FS
	mount   error // why there is no fs

	cancel context.CancelFunc
	owners *owners
}

// name is what the image is opened by.
func (o *opened) name() string { return cmp.Or(o.address, o.path) }

// open opens an image without mounting anything, or returns the one opened before: two
// kernels with the same file system would not see each other's changes. An image that is
// open for reading cannot be written to, so cp opens the destination first.
func (a *app) open(path string, write bool) (*opened, error) {
	st, err := os.Stat(path)
	elsewhere := err != nil && sources().Remote(path)
	if err != nil && !elsewhere && isRemote(path) {
		return nil, noSource(path)
	}
	for _, o := range a.images {
		// By device and inode: the same image may be named by several paths.
		same := err == nil && os.SameFile(o.stat, st) || elsewhere && o.address == path
		if same && (o.write || !write) {
			return o, nil
		}
	}
	if a.opts.snapshot != "" && write && !a.opts.scratch {
		return nil, badUsage("%s: a snapshot can only be read", quote(disk.Display(path)))
	}
	o := &opened{path: path, stat: st, write: write, keys: &a.opts.keys}
	if elsewhere {
		o.path, o.address = disk.Display(path), path
	}
	if write {
		if o.clock, err = sourceDate(); err != nil {
			return nil, err
		}
		a.willWrite()
	}
	// Before the image is opened, so that what is read is what the writer has left.
	o.written = a.awaitWriters(path, write)
	ctx := a.life
	if a.opts.timeout > 0 {
		// Each image has the time for itself.
		ctx, o.cancel = context.WithTimeoutCause(ctx, a.opts.timeout, &timeoutError{a.opts.timeout})
	}
	first := path
	if a.opts.scratch || a.opts.snapshot != "" {
		first = "" // it is among those that openOptions adds
	}
	o.img, err = unboot.Open(ctx, first, a.openOptions(o)...)
	if err != nil {
		if o.cancel != nil {
			o.cancel()
		}
		return nil, openError(o.path, err)
	}
	a.limit(o)
	a.images = append(a.images, o)
	return o, nil
}

// forget closes an image, so that it can be opened in another way.
func (a *app) forget(o *opened) error {
	a.images = slices.DeleteFunc(a.images, func(other *opened) bool { return other == o })
	return a.closeImage(o)
}

// openError puts the image's name before an error, once, and a hint after it.
func openError(path string, err error) error {
	var pe *fs.PathError
	hint := ""
	if errors.As(err, &pe) && pe.Path == path {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) && !strings.Contains(path, "://") {
		if image, _, ok := strings.Cut(path, ":"); ok && image != path {
			hint = " (IMAGE:PATH?)"
		}
	}
	if l, ok := errors.AsType[*unboot.LockedError](err); ok && l.Device == path {
		// The name is there already.
		return fmt.Errorf("%w\nto open it: --key all:key:PASSPHRASE", err)
	}
	if errors.Is(err, disk.ErrNotAllowed) {
		hint = " (if you trust the image: --backing-files)"
	}
	return fmt.Errorf("%s: %w%s", quote(path), err, hint)
}

// tree opens an image and mounts what the options say, or what there is. An error of
// mounting is kept: the next argument in the same image gets it without another attempt.
func (a *app) tree(path string, write bool) (*opened, error) {
	o, err := a.open(path, write)
	if err != nil {
		return nil, err
	}
	if o.fs == nil && o.mount == nil {
		o.fs, o.mount = a.mount(o)
		if o.fs != nil {
			for _, p := range o.fs.Problems() {
				a.warn(fmt.Errorf("%s: %s", quote(o.path), p))
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
