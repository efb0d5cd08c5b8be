package unboot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/toolroot"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// An Image is a set of disks and the kernel that has them attached.
type Image struct {
	k        *lkl.Kernel
	writable bool
	// oneWorker says that the kernel does one call at a time, as the option Clock has it.
	oneWorker bool
	sending   sync.Mutex    // of a stream: see FS.SendSubvolume
	files     []disk.Device // of the host, to be closed
	meters    []disk.Meter  // of those that are elsewhere
	words     diskWords
	found     atomic.Pointer[graph]
	nodes     *FS // the kernel's own tree, which has the devices: see Device.Open

	// mountMu makes mounts one at a time, so that the kernel's log can be
	// told apart.
	mountMu sync.Mutex
	mounted int // guarded by mountMu: number of the last directory in /mnt

	ctx       context.Context // bounds the image's life
	unbounded bool
	// hashOffsets says where on devices dm-verity has its metadata: see HashOffset.
	hashOffsets map[string]int64
	dirty       bool // arrays that are not whole are started even if they are dirty
	keys        []keySource
	opened      map[openedMember][]*volume.Volume // guarded by mountMu
	loaded      []*loaded                         // guarded by mountMu: volumes, in the order of loading
	mappings    map[string]mapping                // guarded by mountMu: of encrypted devices, by their names
	// off has the volumes that were deactivated, by their keys, with the encrypted device that
	// one lies on or "". It is guarded by mountMu.
	off map[string]string

	network *attachedNetwork // nil without one

	emulation emulation
	toolsOnce sync.Once
	tools     *toolroot.Host // see hostTools
	dev       devDir

	starting   atomic.Bool // startWriting is under way
	background sync.WaitGroup

	mu    sync.Mutex
	trees []*tree // guarded by mu, in the order of mounting
	// commands are those that run. It is guarded by mu.
	commands map[*Cmd]struct{}
	losses   lossWatch
	closed   chan struct{} // guarded by mu: nil, or closed when Close is done
}

// Open opens a disk image or a block device by its host path, or an image elsewhere by its URL
// (nbd://, nbd+unix://, nbds://, http://, https://, and those of [Sources]), starts a kernel and attaches the
// disk to it, read-only unless [Writable] says otherwise. With an empty path
// the disks are only those of the options [AddDisk] and [AddDevice].
//
// Images are raw or qcow2 (see [BackingFiles]) or, if they are only read, sparse images of
// Android.
//
// ctx bounds the whole life of the image, as that of exec.CommandContext does a
// command's: when it ends, the kernel is killed. An image must be closed.
//
// Errors are *fs.PathError with the host path for a disk that cannot be
// opened: they wrap fs.ErrNotExist, fs.ErrPermission, unix.EISDIR,
// [disk.ErrEmpty], [disk.ErrNotDisk], [disk.ErrInUse] or a *[disk.FormatError].
// They wrap [lkl.ErrNoKernel] if the program was built without a kernel.
func Open(ctx context.Context, path string, opts ...Option) (*Image, error) {
	lkl.Preload()
	c := config{overlayLimit: DefaultOverlayLimit}
	if path != "" {
		c.disks = append(c.disks, diskSource{path: path})
	}
	for _, o := range opts {
		o(&c)
	}
	if len(c.disks) == 0 {
		return nil, errors.New("unboot: no disk to open")
	}
	sizes := []int{c.sectorSize}
	for _, d := range c.disks {
		sizes = append(sizes, d.logical, d.physical)
	}
	for _, s := range sizes {
		if s != 0 && (s < 512 || s > 4096 || s&(s-1) != 0) {
			return nil, fmt.Errorf("unboot: sector size %d is not 512, 1024, 2048 or 4096", s)
		}
	}
	img := &Image{ctx: ctx, writable: c.writable, oneWorker: !c.clock.IsZero(), keys: c.keys, unbounded: c.unbounded, dirty: c.dirty, hashOffsets: c.hashOffsets,
		opened: map[openedMember][]*volume.Volume{}, mappings: map[string]mapping{}, off: map[string]string{}}
	if c.network != nil {
		img.network = &attachedNetwork{Network: c.network}
	}
	if err := img.open(ctx, &c); err != nil {
		img.discard()
		return nil, err
	}
	return img, nil
}

// open does the work of Open. What it leaves open when it fails, discard
// closes.
func (img *Image) open(ctx context.Context, c *config) error {
	var found []*scan
	for i, src := range c.disks {
		s, err := img.openDisk(ctx, src, i, c)
		if err != nil {
			return err
		}
		found = append(found, s)
	}

	// The kernel takes some milliseconds to boot, in which the disks can be
	// looked at without it.
	booted := make(chan error, 1)
	go func() {
		k, err := lkl.Boot(ctx, &lkl.Config{Memory: c.kernelMemory(), Programs: c.programMemory(), Clock: c.clock, Log: c.log})
		img.k = k
		booted <- err
	}()
	for _, s := range found {
		s.look(cmp.Or(s.logical, c.sectorSize))
	}
	if err := <-booted; err != nil {
		return err
	}
	for _, s := range found {
		if err := img.attach(s, c); err != nil {
			return err
		}
	}
	img.nodes = newNodes(img)
	return img.findDevices(ctx, found, c.keys)
}

// openDisk opens a disk on the host, which has a number from 0.
func (img *Image) openDisk(ctx context.Context, src diskSource, number int, c *config) (*scan, error) {
	s := &scan{diskSource: src}
	if src.dev == nil {
		if err := img.openFile(ctx, s, number, c); err != nil {
			return nil, err
		}
	}
	s.r = s.dev
	s.size = s.dev.Size()
	s.onlyRead = !c.writable || s.scratch
	return s, nil
}

// openFile opens a disk by its name.
func (img *Image) openFile(ctx context.Context, s *scan, number int, c *config) error {
	o := source.Options{Writable: c.writable && !s.scratch, NoLock: c.noLock, Allow: c.allow, CacheDir: c.cacheDir, CacheSize: cmp.Or(c.cacheSize, DefaultCacheSize),
		Meter: func(m disk.Meter) { img.meters = append(img.meters, m) }}
	o.Stored = func(info *source.Info) { s.stored = info }
	o.Snapshot, o.Unlock = s.snapshot, c.unlock(ctx, number)
	if s.anyFormat {
		o.Format = "raw"
	}
	open := source.Open
	if c.sources != nil {
		open = c.sources.Open
	}
	d, err := open(ctx, s.path, o)
	if err != nil {
		return err
	}
	img.files = append(img.files, d)
	s.dev = d
	return nil
}

// attach gives a disk to the kernel.
func (img *Image) attach(s *scan, c *config) error {
	d := lkl.Disk{ReadOnly: s.onlyRead, SectorSize: s.sectorSize, PhysicalSize: s.physicalSize()}
	file, isFile := disk.As[disk.HostFile](s.dev)
	switch {
	case s.end > s.dev.Size():
		d.Device = disk.Extend(s.dev, s.end)
	case isFile:
		d.File = file.File()
	default:
		d.Device = blockDevice(spokenDisk{s.dev, s.path, &img.words})
	}
	if s.onlyRead {
		overlay, err := lkl.NewOverlay(c.overlayDir)
		if err != nil {
			return fmt.Errorf("%s: making an overlay: %w", s.path, err)
		}
		defer overlay.Close()
		d.Overlay, d.OverlayLimit = overlay, c.overlayLimit
	}
	name, err := img.k.AttachDisk(d)
	if err != nil {
		return fmt.Errorf("%s: attaching the disk: %w", s.path, err)
	}
	s.name = name
	return nil
}

// discard ends the kernel, if there is one, without writing anything, and
// closes the disks.
func (img *Image) discard() {
	if img.k != nil {
		img.k.Kill()
	}
	img.background.Wait()
	for _, f := range img.files {
		f.Close()
	}
	img.files = nil
}

// Close unmounts every file system of the image, the last mounted first,
// and returns when everything has been written to the host's disks and the
// kernel has ended, or says what was not written. A read-only image has
// nothing to write: its kernel is just ended. Closing again waits until that is
// done, and returns nil.
func (img *Image) Close() error {
	img.mu.Lock()
	done := img.closed
	if done != nil {
		img.mu.Unlock()
		<-done
		return nil
	}
	done = make(chan struct{})
	img.closed = done
	img.mu.Unlock()
	defer close(done)
	defer img.discard()
	if img.writable {
		// What is being mounted now is unmounted with the rest.
		img.mountMu.Lock()
		defer img.mountMu.Unlock()
	}
	img.mu.Lock()
	trees := slices.Clone(img.trees)
	img.mu.Unlock()
	if !img.writable {
		// Killed only when it has not ended before by a fault of its own,
		// which those who read should have noticed.
		err := img.k.Err()
		img.k.Kill()
		for _, t := range append(trees, img.nodes.t) {
			t.forget()
		}
		return err
	}
	for _, t := range append(trees, nil) {
		img.endCommands(t)
	}
	errs := []error{img.closeNodes()}
	img.removeLeftovers()
	for _, t := range slices.Backward(trees) {
		errs = append(errs, t.unmount())
	}
	errs = append(errs, img.removeVolumes())
	if lost := img.lostWrites(); errors.Join(errs...) == nil {
		errs = append(errs, lost)
	}
	errs = append(errs, img.k.Close())
	img.background.Wait()
	for _, f := range img.files {
		errs = append(errs, f.Close())
	}
	img.files = nil
	return errors.Join(distinct(errs)...)
}

// distinct leaves out errors that say what one before has said, as those of a
// kernel that has died do.
func distinct(errs []error) []error {
	var out []error
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(out, func(e error) bool { return errors.Is(err, e) }) {
			out = append(out, err)
		}
	}
	return out
}

// startWriting has the host begin to write to its disks what has been written to
// the image. It waits for nothing, and does not matter if it fails: Sync and Close
// say what was not written.
func (img *Image) startWriting() {
	if img.starting.Swap(true) {
		return
	}
	files := img.files
	img.background.Go(func() {
		for _, f := range files {
			disk.StartWriting(f)
		}
		img.starting.Store(false)
	})
}

// Traffic returns what has gone over a network for the disks of the image so far.
func (img *Image) Traffic() disk.Traffic {
	var sum disk.Traffic
	for _, m := range img.meters {
		t := m.Traffic()
		sum.Requests += t.Requests
		sum.Received += t.Received
		sum.Sent += t.Sent
	}
	return sum
}

// Path returns the host path of the first disk.
func (img *Image) Path() string { return img.found.Load().disks[0].Path }

// ReadOnly reports whether the image was opened without [Writable].
func (img *Image) ReadOnly() bool { return !img.writable }

// Kernel returns the kernel. What it has mounted under /mnt, and the disks
// attached to it, belong to the image.
func (img *Image) Kernel() *lkl.Kernel { return img.k }

// ReadingTime returns how much processor time the kernel of an image can take to read all of it
// with nothing wrong: two minutes, and half a second for each MiB of its disks, since there is more
// to read (up to 16 TiB). It is a limit for [lkl.Kernel.LimitCPU].
func (img *Image) ReadingTime() time.Duration {
	limit := 2 * time.Minute
	for _, d := range img.Disks() {
		// No disk is larger than counts, for the sum of all to stay a Duration.
		limit += time.Duration(min(d.Size>>20, 1<<24)) * (time.Second / 2)
	}
	return limit
}

// err returns what a call on a closed image returns, or nil.
func (img *Image) err() error {
	img.mu.Lock()
	defer img.mu.Unlock()
	if img.closed != nil {
		return os.ErrClosed
	}
	return nil
}
