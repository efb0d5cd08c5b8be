package crash

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A record is what a writer knows of one of its files: what must be there after
// a crash, and what may be. The writer notes what it is about to do before it
// does it.
type record struct {
	id uint64
	// name is where the file is now.
	name string
	// places are the names that it may be found under after a crash; "" is
	// none. A directory that was synced leaves one.
	places map[string]bool
	// stable is the number of blocks that must be there.
	stable int
	// blocks has the generations of each block: the one that is stable,
	// 0 if none is, and the last written.
	blocks []generations
	// cut is set while blocks may be missing at the end: a truncate that has
	// not been synced yet.
	cut int
}

type generations struct{ stable, last uint64 }

// A writer is one of the goroutines of a load, in a directory of its own.
type writer struct {
	v      *lkl.View
	dir    string
	rng    *rand.Rand
	files  []*record // that exist, as far as it knows
	all    []*record
	nextID uint64
	next   int
	ops    int
}

// load runs writers until the kernel ends, or each has done a number of steps. It
// returns them and the errors that are not the end of the kernel or a full disk.
func load(v *lkl.View, root string, writers, steps int, seed uint64) ([]*writer, error) {
	var list []*writer
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		w := &writer{
			v:      v,
			dir:    fmt.Sprintf("%s/w%d", root, i),
			rng:    rand.New(rand.NewPCG(seed, uint64(i))),
			nextID: uint64(i+1) << 32,
		}
		list = append(list, w)
		wg.Go(func() { errs[i] = w.run(steps) })
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

func (w *writer) run(steps int) error {
	if err := w.v.Mkdirat(unix.AT_FDCWD, w.dir, 0o755); err != nil {
		return over(err)
	}
	for ; w.ops < steps; w.ops++ {
		if err := w.step(); err != nil {
			return over(err)
		}
	}
	return nil
}

// over returns nil for the errors with which a load may end.
func over(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

func (w *writer) step() error {
	var err error
	switch n := w.rng.IntN(100); {
	case n < 30 || len(w.files) < 3:
		err = w.create()
	case n < 50:
		err = w.overwrite()
	case n < 62:
		err = w.extend()
	case n < 70:
		err = w.truncate()
	case n < 82:
		err = w.rename(w.rng.IntN(2) == 0)
	case n < 92 || len(w.files) > 60:
		err = w.unlink()
	case n < 97:
		err = w.others()
	default:
		err = w.sync()
	}
	if err == unix.ENOSPC {
		return w.unlink()
	}
	return err
}

func (w *writer) pick() *record { return w.files[w.rng.IntN(len(w.files))] }

func (w *writer) path(name string) string { return w.dir + "/" + name }

func (w *writer) newName() string {
	w.next++
	return fmt.Sprintf("f%d", w.next)
}

// with opens a file and closes it again. It does not hide the end of the kernel.
func (w *writer) with(path string, flags int, do func(fd int) error) error {
	fd, err := w.v.Open(path, flags, 0o644)
	if err != nil {
		return err
	}
	err = do(fd)
	if cerr := w.v.CloseFd(fd); err == nil {
		err = cerr
	}
	return err
}

// syncDir makes the names stable.
func (w *writer) syncDir() error {
	err := w.with(w.dir, unix.O_RDONLY|unix.O_DIRECTORY, w.v.Fsync)
	if err == unix.EINVAL { // hfs has no fsync of directories
		err = w.with(w.dir, unix.O_RDONLY|unix.O_DIRECTORY, w.v.Syncfs)
	}
	if err != nil {
		return err
	}
	w.settleNames()
	return nil
}

func (w *writer) settleNames() {
	for _, f := range w.all {
		f.places = map[string]bool{f.name: true}
	}
}

func (f *record) settleContent() {
	f.stable = len(f.blocks)
	f.cut = f.stable
	for i := range f.blocks {
		f.blocks[i].stable = f.blocks[i].last
	}
}

// write writes n blocks from the block at on, in one piece. On a full disk it
// may write less, and then says so.
func (w *writer) write(fd int, f *record, at, n int) error {
	buf := make([]byte, n*blockSize)
	before := len(f.blocks)
	for len(f.blocks) < at+n {
		f.blocks = append(f.blocks, generations{})
	}
	for i := range n {
		g := &f.blocks[at+i]
		g.last++
		stamp{f.id, uint64(at + i), g.last}.fill(buf[i*blockSize:])
	}
	pwrite := w.v.Pwrite
	if w.rng.IntN(4) == 0 {
		pwrite = w.v.PwriteDirect
	}
	done, err := pwrite(fd, buf, int64(at)*blockSize)
	if err == nil && done < len(buf) {
		err = unix.ENOSPC
	}
	if err == unix.ENOSPC {
		// A block that was begun is not what it was.
		end := at + (max(done, 0)+blockSize-1)/blockSize
		for i := end; i < at+n; i++ {
			f.blocks[i].last--
		}
		f.blocks = f.blocks[:max(before, end)]
	}
	return err
}

// maybeSync makes the content stable, mostly.
func (w *writer) maybeSync(fd int, f *record) error {
	var err error
	switch w.rng.IntN(3) {
	case 0:
		return nil
	case 1:
		err = w.v.Fsync(fd)
	case 2:
		err = w.v.Fdatasync(fd)
	}
	if err == nil {
		f.settleContent()
	}
	return err
}

func (w *writer) create() error {
	f := &record{id: w.nextID, name: w.newName(), places: map[string]bool{"": true}}
	w.nextID++
	f.places[f.name] = true
	w.all = append(w.all, f)
	err := w.with(w.path(f.name), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, func(fd int) error {
		w.files = append(w.files, f)
		if err := w.write(fd, f, 0, 1+w.rng.IntN(16)); err != nil {
			return err
		}
		return w.maybeSync(fd, f)
	})
	if err == nil && w.rng.IntN(2) == 0 {
		err = w.syncDir()
	}
	return err
}

func (w *writer) overwrite() error {
	f := w.pick()
	return w.with(w.path(f.name), unix.O_WRONLY, func(fd int) error {
		for range 1 + w.rng.IntN(4) {
			at := w.rng.IntN(max(len(f.blocks), 1))
			if err := w.write(fd, f, at, 1+w.rng.IntN(3)); err != nil {
				return err
			}
		}
		return w.maybeSync(fd, f)
	})
}

func (w *writer) extend() error {
	f := w.pick()
	return w.with(w.path(f.name), unix.O_WRONLY, func(fd int) error {
		if err := w.write(fd, f, len(f.blocks), 1+w.rng.IntN(24)); err != nil {
			return err
		}
		return w.maybeSync(fd, f)
	})
}

func (w *writer) truncate() error {
	f := w.pick()
	if len(f.blocks) < 2 {
		return nil
	}
	size := 1 + w.rng.IntN(len(f.blocks)-1)
	return w.with(w.path(f.name), unix.O_WRONLY, func(fd int) error {
		f.stable = min(f.stable, size)
		if err := w.v.Ftruncate(fd, int64(size)*blockSize); err != nil {
			return err
		}
		if err := w.v.Fsync(fd); err != nil {
			return err
		}
		f.blocks = f.blocks[:size]
		f.settleContent()
		return nil
	})
}

// rename gives a file another name, which may be another file's.
func (w *writer) rename(replace bool) error {
	f := w.pick()
	name := w.newName()
	var old *record
	if replace {
		if old = w.pick(); old == f {
			return nil
		}
		name = old.name
		old.places[""] = true
	}
	f.places[name] = true
	if err := w.v.Renameat(unix.AT_FDCWD, w.path(f.name), unix.AT_FDCWD, w.path(name)); err != nil {
		return err
	}
	f.name = name
	if old != nil {
		w.forget(old)
	}
	if w.rng.IntN(2) == 0 {
		return w.syncDir()
	}
	return nil
}

func (w *writer) unlink() error {
	if len(w.files) == 0 {
		return nil
	}
	f := w.pick()
	f.places[""] = true
	if err := w.v.Unlinkat(unix.AT_FDCWD, w.path(f.name), 0); err != nil {
		return err
	}
	w.forget(f)
	if w.rng.IntN(3) == 0 {
		return w.syncDir()
	}
	return nil
}

// forget removes a file from those that exist.
func (w *writer) forget(f *record) {
	f.name = ""
	for i, g := range w.files {
		if g == f {
			w.files = append(w.files[:i], w.files[i+1:]...)
			return
		}
	}
}

// others makes metadata that only the checker checks afterwards. If a file system has no
// links or attributes, nothing happens.
func (w *writer) others() error {
	sub := fmt.Sprintf("%s/d%d", w.dir, w.rng.IntN(4))
	calls := []func() error{
		func() error { return w.v.Mkdirat(unix.AT_FDCWD, sub, 0o700) },
		func() error { return w.v.Symlinkat("target/of/"+sub, unix.AT_FDCWD, sub+"/link") },
		func() error {
			return w.v.Mknodat(unix.AT_FDCWD, sub+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
		},
		func() error { return w.v.Setxattr(sub, "user.test", []byte(sub), 0) },
		func() error { return w.v.Linkat(unix.AT_FDCWD, sub+"/null", unix.AT_FDCWD, sub+"/again", 0) },
		func() error { return w.v.Renameat(unix.AT_FDCWD, sub, unix.AT_FDCWD, w.dir+"/dd") },
		func() error { return w.v.Unlinkat(unix.AT_FDCWD, w.dir+"/dd/link", 0) },
		func() error { return w.v.Unlinkat(unix.AT_FDCWD, w.dir+"/dd/null", 0) },
		func() error { return w.v.Unlinkat(unix.AT_FDCWD, w.dir+"/dd/again", 0) },
		func() error { return w.v.Unlinkat(unix.AT_FDCWD, w.dir+"/dd", unix.AT_REMOVEDIR) },
	}
	for _, call := range calls {
		if err := call(); errors.Is(err, fs.ErrClosed) {
			return err
		} else if err == unix.EIO || err == unix.EUCLEAN || err == unix.EROFS {
			return err
		}
	}
	return nil
}

// sync makes everything stable.
func (w *writer) sync() error {
	if err := w.with(w.dir, unix.O_RDONLY|unix.O_DIRECTORY, w.v.Syncfs); err != nil {
		return err
	}
	w.settleNames()
	for _, f := range w.files {
		f.settleContent()
	}
	return nil
}
