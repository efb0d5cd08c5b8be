package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// An app is one run of a command: its streams, its options, and the images that it
// has opened.
type app struct {
	table []*command
	cmd   string
	// ctx ends with the first signal. Commands look at it between two files, so that
	// the file at hand is finished.
	ctx context.Context
	// life is the context of the kernels. It ends with the first signal if no image
	// is open for writing, and with the second otherwise: a kernel that is killed
	// while it writes leaves a journal to replay, or damage where there is none.
	life context.Context

	out    *bufio.Writer // standard output
	failed atomic.Bool   // something was reported
	linked bool          // a symbolic link was made on the host
	// lasting is set by commands that go on until somebody ends them.
	lasting bool

	opts     openOptions
	patience time.Duration // how long to wait for other programs that write to an image
	images   []*opened
	atEnd    []func() // what is to be said when all is closed
	// atRecord is told, when all is closed, what went wrong.
	atRecord func(error)
	writing  atomic.Bool

	listening <-chan struct{} // closed when signals come to this program
	signals   atomic.Int32
	stop      context.CancelFunc
	kill      context.CancelCauseFunc
	mu        sync.Mutex // guards standard error, which the progress line shares
	said      string     // guarded by mu: the last message
	again     int        // guarded by mu: how often it was repeated
	progress  *progress
	log       *syslog.Writer // guarded by mu: where messages go in the background, or nil
}

// openOptions are the options that all commands with images have.
type openOptions struct {
	mounts  []string
	add     []string
	sector  int
	timeout time.Duration
	cpu     time.Duration // negative if it was not given
	// programs is the memory for programs in bytes, 0 for the default.
	programs int64
	// network is what programs have a network by, or nil.
	network   unboot.Network
	backing   bool
	cacheDir  string
	cacheSize int64
	stats     bool   // say what went over a network
	scratch   bool   // what is written is forgotten
	scratchIn string // and kept in this folder until then, without a limit; "": in memory
	base      string // the file that the image may name even without backing
	snapshot  string
	keys      keys
	// sources is how images are opened, if not as usual.
	sources *source.Registry

	forceDirty, unboundedKeys bool
}

func newApp(table []*command, cmd string) *app {
	a := &app{table: table, cmd: cmd, opts: openOptions{cpu: -1}, patience: disk.Patience, out: bufio.NewWriterSize(os.Stdout, 64<<10)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.life, a.kill = context.WithCancelCause(context.Background())
	// signal.Notify drops what does not fit into the channel: there is room for a
	// second signal while the first is handled.
	c := make(chan os.Signal, 2)
	listening := make(chan struct{})
	a.listening = listening
	go func() {
		// The first Notify starts threads, which takes longer than to find an image.
		signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		close(listening)
		for s := range c {
			a.signals.Add(1)
			a.stop()
			switch {
			case a.signals.Load() > 2:
				os.Exit(exitSignal) // the kernel dies with us
			case !a.writing.Load() || a.signals.Load() > 1:
				// The cause is what every pending call into the kernel then returns.
				a.kill(fmt.Errorf("stopped: %v", s))
			default:
				a.warn(fmt.Errorf("%v: finishing what was started; repeat the signal to stop at once", s))
			}
		}
	}()
	return a
}

// handOverSignals gives signals back to whoever asks for them next: those that newApp has asked
// for do not end the command any more.
func (a *app) handOverSignals() {
	<-a.listening
	signal.Reset()
}

// willWrite says that an image is about to be written to: from now on, the first signal lets
// the command finish. It returns when signals are listened to; until then they end the
// program at once.
func (a *app) willWrite() {
	<-a.listening
	a.writing.Store(true)
}

// image declares the options of every command with an image.
func (f *flagSet) image(o *openOptions) {
	f.list(&o.mounts, "m", "mount", "DEVICE[:MOUNTPOINT[:OPTIONS[:FSTYPE]]]",
		"mount this, and repeat it for more; by default the only file system, or the operating system's with its fstab").kind = kindDevice
	f.list(&o.add, "", "add", "FILE", "attach another disk").kind = kindImage
	f.integer(&o.sector, "", "sector-size", "N", "bytes per sector, if not detected correctly").among("512", "1024", "2048", "4096")
	o.keys.options(f)
	f.bool(&o.unboundedKeys, "", "unbounded-keys", "let a key take any memory and time")
	f.bool(&o.forceDirty, "", "force-dirty", "start a RAID that lacks a disk and was in use")
	f.bool(&o.backing, "", "backing-files", "let an image name other files: if you trust it")
	f.string(&o.snapshot, "", "snapshot", "NAME", "read an image as it was in a snapshot of its own")
	f.value("", "via", "PROGRAM", "what is to reach images elsewhere: qemu, for those that it alone knows", func(v string) error {
		if v != "qemu" {
			return errors.New("expected qemu")
		}
		viaQEMU = true
		return nil
	}).among("qemu")
	f.string(&o.cacheDir, "", "cache-dir", "FOLDER", "keep what is fetched of a remote image for later runs").kind = kindHost
	f.size(&o.cacheSize, "", "cache-size", "SIZE", "what --cache-dir may take of the disk, 10G by default")
	f.bool(&o.stats, "", "stats", "say at the end what was fetched of remote images")
	f.duration(&o.timeout, "", "timeout", "TIME", "give up after a time such as 10s")
	f.duration(&o.cpu, "", "cpu-limit", "TIME",
		"give up after so much processor time, 0 for never; reading: after 2m and 0.5s per MiB of disk by default")
}

// globs declares --exclude.
func (f *flagSet) globs(p *[]glob) {
	f.value("", "exclude", "PATTERN", "leave out what matches: a path in the tree, or a name", func(v string) error {
		*p = append(*p, newGlob(v, false))
		return nil
	})
}

func (a *app) interrupted() bool { return a.signals.Load() > 0 }

// cipher is what opens images that their own format encrypts.
func (a *app) cipher() func(string, *disk.Encryption) (disk.SectorCipher, error) {
	o := []unboot.Option{unboot.Keys(a.opts.keys.key)}
	if a.opts.unboundedKeys {
		o = append(o, unboot.UnboundedKeys())
	}
	return unboot.Unlock(a.life, o...)
}

// openOptions translates the options of the command line into those of package unboot.
func (a *app) openOptions(to *opened) []unboot.Option {
	o := []unboot.Option{unboot.Keys(a.opts.keys.key), unboot.Sources(cmp.Or(a.opts.sources, sources()))}
	for _, k := range a.opts.keys.specs {
		if n, err := k.hashOffset(); err == nil && n > 0 {
			o = append(o, unboot.HashOffset(k.id, n))
		}
	}
	if to.write {
		o = append(o, unboot.Writable())
	}
	if !to.clock.IsZero() {
		o = append(o, unboot.Clock(to.clock))
	}
	if a.opts.unboundedKeys {
		o = append(o, unboot.UnboundedKeys())
	}
	if a.opts.programs != 0 {
		o = append(o, unboot.ProgramMemory(a.opts.programs))
	}
	if a.opts.network != nil {
		o = append(o, unboot.WithNetwork(a.opts.network))
	}
	if a.opts.forceDirty {
		o = append(o, unboot.ForceDirty())
	}
	if a.opts.sector != 0 {
		o = append(o, unboot.SectorSize(a.opts.sector))
	}
	if a.opts.backing {
		// The user trusts the image, so every file that it names is allowed, including
		// those that its backing files name in turn.
		o = append(o, unboot.BackingFiles(func(string) error { return nil }))
	}
	if a.opts.base != "" && !a.opts.backing {
		o = append(o, unboot.BackingFiles(only(a.opts.base)))
	}
	if a.opts.scratchIn != "" {
		o = append(o, unboot.Overlay(a.opts.scratchIn, 0))
	}
	if a.opts.cacheDir != "" {
		o = append(o, unboot.CacheDir(a.opts.cacheDir), unboot.CacheSize(a.opts.cacheSize))
	}
	var disk []unboot.DiskOption
	if a.opts.scratch {
		disk = append(disk, unboot.Scratch())
	}
	if a.opts.scratch || a.opts.snapshot != "" {
		o = append(o, unboot.AddDisk(to.name(), append(disk, unboot.Snapshot(a.opts.snapshot))...))
	}
	for _, path := range a.opts.add {
		o = append(o, unboot.AddDisk(path, disk...))
	}
	return o
}

// only returns a rule that allows one file, however it is named.
func only(base string) func(string) error {
	at, err := os.Stat(base)
	return func(path string) error {
		if st, e := os.Stat(path); err == nil && e == nil && os.SameFile(at, st) {
			return nil
		}
		return disk.ErrNotAllowed
	}
}

// sourceDate returns the time that SOURCE_DATE_EPOCH gives, for images that come
// out the same each time (reproducible-builds.org), or the zero Time.
func sourceDate() (time.Time, error) {
	const name = "SOURCE_DATE_EPOCH"
	text, ok := os.LookupEnv(name)
	if !ok {
		return time.Time{}, nil
	}
	sec, err := strconv.ParseUint(text, 10, 33) // 33 bits end in the year 2242
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is not a time in seconds since 1970: %s", name, quote(text))
	}
	return time.Unix(int64(sec), 0), nil
}

// fail reports an error about one of several files, and makes the exit code a failure.
// After a signal errors are its consequences: the exit code says so already.
func (a *app) fail(err error) {
	if err == nil || a.interrupted() {
		return
	}
	a.failed.Store(true)
	a.tell(err)
}

// tell reports an error. If the kernel of an image has ended, it does so once for the
// image: everything that is still to be done in it fails for the same reason.
func (a *app) tell(err error) {
	if o := a.ended(err); o != nil {
		if o.told.Swap(true) {
			return
		}
		err = o.endError()
	}
	a.report(err)
}

// warn reports a problem that does not change the exit code.
func (a *app) warn(err error) { a.report(err) }

func (a *app) report(err error) {
	line := fmt.Sprintf("unboot: %s: %s\n", a.cmd, message(err))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		a.log.Err(message(err))
	}
	// A damaged directory may list the same entry without end: repeated messages
	// are counted, as syslogd(8) does.
	if line == a.said {
		a.again++
		return
	}
	a.sayAgain()
	a.said = line
	// Output that precedes the error should appear before it where both streams are
	// the same terminal. Commands with a progress line print
	// nothing through out.
	if a.progress == nil {
		a.out.Flush()
	} else {
		a.progress.clear()
	}
	io.WriteString(os.Stderr, line)
}

// sayAgain reports how often the last message was repeated, and forgets it.
//
// Preconditions: mu is held.
func (a *app) sayAgain() {
	if a.again > 0 {
		fmt.Fprintf(os.Stderr, "unboot: %s: last message repeated %d times\n", a.cmd, a.again)
	}
	a.said, a.again = "", 0
}

// close flushes standard output and closes the images, all of them even if one fails:
// each may have changes to write back. They are on the disk when it returns nil.
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
	for _, say := range a.atEnd {
		say()
	}
	a.stop()
	// Only now: ending this context kills the kernels.
	a.kill(nil)
	return first
}

// stdout returns standard output for writes that should not be buffered. What the
// buffer holds is written first, to keep the order.
func (a *app) stdout() (io.Writer, error) { return os.Stdout, a.out.Flush() }
