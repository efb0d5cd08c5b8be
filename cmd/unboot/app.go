package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
)

// An app is one run of a command.
type app struct {
	table []*command
	cmd   string
	// ctx ends with the first signal: a command that has something to
	// finish then finishes it.
	ctx context.Context
	// life is that of the kernels: it ends with the first signal if nothing
	// is being written, with the second otherwise.
	life context.Context

	out    *bufio.Writer // standard output
	failed atomic.Bool   // something was reported
	linked bool          // a symbolic link was made on the host

	opts     openOptions
	patience time.Duration // with other programs that write to an image
	images   []*opened
	writing  atomic.Bool

	signals  atomic.Int32
	stop     context.CancelFunc
	kill     context.CancelCauseFunc
	mu       sync.Mutex // of standard error
	said     string     // guarded by mu: the last message
	again    int        // guarded by mu: how often it came once more
	progress *progress
}

// openOptions are those that all commands with images have.
type openOptions struct {
	mounts  []string
	add     []string
	sector  int
	timeout time.Duration
	cpu     time.Duration // negative if it was not given
	backing bool
}

func newApp(table []*command, cmd string) *app {
	a := &app{table: table, cmd: cmd, opts: openOptions{cpu: -1}, patience: disk.Patience, out: bufio.NewWriterSize(os.Stdout, 64<<10)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.life, a.kill = context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range c {
			a.signals.Add(1)
			a.stop()
			switch {
			case a.signals.Load() > 2:
				os.Exit(exitSignal) // the kernel dies with us
			case !a.writing.Load() || a.signals.Load() > 1:
				a.kill(fmt.Errorf("stopped: %v", s))
			default:
				a.warn(fmt.Errorf("%v: finishing what was started; repeat the signal to stop at once", s))
			}
		}
	}()
	return a
}

// image declares the options of every command with an image.
func (f *flagSet) image(o *openOptions) {
	f.list(&o.mounts, "m", "mount", "DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]]",
		"mount this, and repeat it for more; without it, the only file system is mounted, or the operating system's with its fstab").kind = kindDevice
	f.list(&o.add, "", "add", "FILE", "attach another disk").kind = kindImage
	f.integer(&o.sector, "", "sector-size", "N", "bytes per sector of the image, if not detected correctly").among("512", "1024", "2048", "4096")
	f.bool(&o.backing, "", "backing-files", "allow a qcow2 image to name other files that it needs: only if you trust it")
	f.duration(&o.timeout, "", "timeout", "TIME", "give up after a time such as 10s: for images not to be trusted")
	f.duration(&o.cpu, "", "cpu-limit", "TIME",
		"give up after so much processor time; by default, reading may take two minutes and half a second per MiB of disk; 0 for no limit")
}

// globs declares --exclude.
func (f *flagSet) globs(p *[]glob) {
	f.value("", "exclude", "PATTERN", "leave out what matches: a path in the tree, or a name", func(v string) error {
		*p = append(*p, newGlob(v, false))
		return nil
	})
}

func (a *app) interrupted() bool { return a.signals.Load() > 0 }

// openOptions translates to those of package unboot.
func (a *app) openOptions(to *opened) []unboot.Option {
	var o []unboot.Option
	if to.write {
		o = append(o, unboot.Writable())
	}
	if !to.clock.IsZero() {
		o = append(o, unboot.Clock(to.clock))
	}
	if a.opts.sector != 0 {
		o = append(o, unboot.SectorSize(a.opts.sector))
	}
	if a.opts.backing {
		o = append(o, unboot.BackingFiles(func(string) error { return nil }))
	}
	for _, path := range a.opts.add {
		o = append(o, unboot.AddDisk(path))
	}
	return o
}

// sourceDate returns the time that SOURCE_DATE_EPOCH gives, for images that come
// out the same each time (reproducible-builds.org), or the zero Time.
func sourceDate() (time.Time, error) {
	const name = "SOURCE_DATE_EPOCH"
	text, ok := os.LookupEnv(name)
	if !ok {
		return time.Time{}, nil
	}
	sec, err := strconv.ParseUint(text, 10, 33) // beyond, no file system has a time
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is not a time in seconds since 1970: %s", name, quote(text))
	}
	return time.Unix(int64(sec), 0), nil
}

// fail reports an error about one thing of several, and has the exit code say so.
func (a *app) fail(err error) {
	if err == nil || a.interrupted() {
		return
	}
	a.failed.Store(true)
	a.tell(err)
}

// tell reports an error, and of those that say that a kernel has ended only the first:
// everything that is still to be done in its image fails likewise.
func (a *app) tell(err error) {
	if o := a.ended(err); o != nil {
		if o.told.Swap(true) {
			return
		}
		err = o.endError()
	}
	a.report(err)
}

// warn reports what is not a failure.
func (a *app) warn(err error) { a.report(err) }

func (a *app) report(err error) {
	line := fmt.Sprintf("unboot: %s: %s\n", a.cmd, message(err))
	a.mu.Lock()
	defer a.mu.Unlock()
	// A damaged directory may have the same entry without end.
	if line == a.said {
		a.again++
		return
	}
	a.sayAgain()
	a.said = line
	// What was said before the error should stand before it.
	if a.progress == nil {
		a.out.Flush()
	} else {
		a.progress.clear()
	}
	io.WriteString(os.Stderr, line)
}

// sayAgain tells how often the last message would have come once more.
//
// Preconditions: mu is held.
func (a *app) sayAgain() {
	if a.again > 0 {
		fmt.Fprintf(os.Stderr, "unboot: %s: last message repeated %d times\n", a.cmd, a.again)
	}
	a.said, a.again = "", 0
}

// close closes the images. What was written is on the disk when it returns nil.
func (a *app) close() error {
	if a.progress != nil {
		a.progress.end()
	}
	var first error
	if err := a.out.Flush(); err != nil {
		first = err
	}
	for _, o := range a.images {
		if err := a.closeImage(o); err != nil && first == nil {
			first = fmt.Errorf("%s: %w", quote(o.path), err)
		}
	}
	a.stop()
	a.kill(nil)
	return first
}

// stdout returns standard output for writes that should not be buffered, after
// what was.
func (a *app) stdout() (io.Writer, error) { return os.Stdout, a.out.Flush() }
