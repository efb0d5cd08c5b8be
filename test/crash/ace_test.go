package crash

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// aceTypes are the file systems of the bounded workloads, small ones.
var aceTypes = []struct {
	fstype string
	opts   testimg.Options
	data   string
}{
	{"ext4", testimg.Options{Size: 16 << 20, Args: []string{"-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"}}, ""},
	{"xfs", testimg.Options{Size: 320 << 20}, ""},
	{"btrfs", testimg.Options{Size: 128 << 20}, ""},
}

// TestACE runs all workloads of one operation, and some of two, with some of their cuts.
func TestACE(t *testing.T) {
	for _, at := range aceTypes {
		t.Run(at.fstype, func(t *testing.T) {
			t.Parallel()
			a := newACE(t, at.fstype, at.opts, at.data)
			a.some = 1
			for _, w := range aceFlat.workloads(1) {
				if a.run(t, w); t.Failed() {
					return
				}
			}
			a.report(t, "one operation")
			if testing.Short() {
				return
			}
			rng := rand.New(rand.NewPCG(uint64(testimg.Seed(t)), 2))
			for range testimg.Count(t, 20) {
				if a.run(t, aceFlat.random(rng, 2)); t.Failed() {
					return
				}
			}
			a.report(t, "two")
		})
	}
}

// TestSoakACE runs all workloads of one operation, with a level more of directories, and then all of
// two, in an order by chance, as far as it comes in the time that UNBOOT_SOAK says; all with each
// of their cuts.
func TestSoakACE(t *testing.T) {
	limit := soak(t)
	var all []aceKey
	for key := range aceFlat.workloads(2) {
		all = append(all, key)
	}
	for _, at := range aceTypes {
		t.Run(at.fstype, func(t *testing.T) {
			t.Parallel()
			seed := uint64(testimg.Seed(t))
			until := time.Now().Add(limit)
			a := newACE(t, at.fstype, at.opts, at.data)
			for _, w := range aceNested.workloads(1) {
				a.run(t, w)
			}
			a.report(t, "one operation")
			done := 0
			for _, i := range rand.New(rand.NewPCG(seed, 2)).Perm(len(all)) {
				if time.Now().After(until) {
					break
				}
				a.run(t, aceFlat.workload(all[i]))
				done++
			}
			a.report(t, fmt.Sprintf("two: %d of %d, seed %d", done, len(all), seed))
		})
	}
}

// TestACEWorkloads holds how many workloads there are: some as many as ACE makes, 300 of one operation.
func TestACEWorkloads(t *testing.T) {
	for _, c := range []struct {
		name      string
		bounds    aceBounds
		n         int
		low, high int
	}{
		{"one operation", aceFlat, 1, 300, 1000},
		{"one operation, nested", aceNested, 1, 500, 2000},
		{"two operations", aceFlat, 2, 150_000, 600_000},
	} {
		if c.n > 1 && !testimg.Thorough() {
			continue // seconds
		}
		count, twice := 0, 0
		seen := map[uint64]bool{}
		names := map[string]bool{}
		for key, w := range c.bounds.workloads(c.n) {
			count++
			if count%997 == 0 && c.bounds.workload(key).String() != w.String() {
				t.Errorf("%x is %v, not %v", key, c.bounds.workload(key), w)
			}
			if seen[maphash.String(aceSeed, w.String())] {
				twice++
			}
			seen[maphash.String(aceSeed, w.String())] = true
			if !w[len(w)-1].persists() {
				t.Fatalf("%v: it ends without a point of persistence", w)
			}
			for _, o := range w {
				names[o.name] = true
			}
		}
		// What has to be there for one operation can make it another workload's.
		if count < c.low || count > c.high || twice > count/100 {
			t.Errorf("%s: %d workloads, %d of them twice", c.name, count, twice)
		}
		for _, name := range []string{"creat", "mkdir", "falloc", "write", "dwrite", "link", "symlink", "unlink", "remove", "rename",
			"fsetxattr", "removexattr", "truncate", "fsync", "fdatasync", "sync"} {
			if !names[name] {
				t.Errorf("%s: no %s", c.name, name)
			}
		}
		t.Logf("%s: %d", c.name, count)
	}
}

// TestACEFinds holds that what a file system loses is found: an image as it was before the workload, and
// one by one what differs in a tree.
func TestACEFinds(t *testing.T) {
	w := aceWorkload{{name: "mkdir", path: "A"}, {name: "creat", path: "A/foo"}, {name: "write", path: "A/foo", where: "append"},
		{name: "fsetxattr", path: "A/foo"}, {name: "link", path: "A/foo", to: "bar"}, {name: "fsync", path: "A/foo"},
		{name: "write", path: "A/foo", where: "overwrite"}, {name: "creat", path: "A/bar"}}
	m := newACEModel()
	for _, o := range w {
		if !m.can(o) {
			t.Fatal(o)
		}
		m.do(o)
	}
	for i, n := range m.nodes {
		n.ino = uint64(i + 1)
	}
	old := aceBytes(2, 1, 0, acePiece)
	made := func() *aceFound {
		foo := &aceFound{kind: 'f', ino: 3, links: 2, blocks: 64, data: slices.Clone(old), xattr: "value"}
		a := &aceFound{kind: 'd', ino: 2, links: 2, entries: map[string]*aceFound{"foo": foo}}
		return &aceFound{kind: 'd', ino: 1, entries: map[string]*aceFound{"A": a, "bar": foo, "lost+found": {kind: 'd', ino: 11}}}
	}
	if wrong := m.check(made()); len(wrong) > 0 {
		t.Errorf("what is right: %q", wrong)
	}
	for name, c := range map[string]struct {
		change func(root, a, foo *aceFound)
		right  bool
	}{
		"nothing":          {func(root, _, _ *aceFound) { clear(root.entries) }, false},
		"a name less":      {func(root, _, foo *aceFound) { delete(root.entries, "bar"); foo.links = 1 }, false},
		"a link count":     {func(_, _, foo *aceFound) { foo.links = 1 }, false},
		"a name more":      {func(root, _, foo *aceFound) { root.entries["foo"] = foo; foo.links = 3 }, false},
		"a byte":           {func(_, _, foo *aceFound) { foo.data[20_000] ^= 1 }, false},
		"a part":           {func(_, _, foo *aceFound) { foo.data = foo.data[:4096] }, false},
		"the attribute":    {func(_, _, foo *aceFound) { foo.xattr = "" }, false},
		"another type":     {func(root, a, _ *aceFound) { a.kind = 'f' }, false},
		"a new write":      {func(_, _, foo *aceFound) { copy(foo.data, aceBytes(2, 2, 0, 4096)) }, true},
		"a new file":       {func(_, a, _ *aceFound) { a.entries["bar"] = &aceFound{kind: 'f', ino: 4, links: 1} }, true},
		"a new file, full": {func(_, a, _ *aceFound) { a.entries["bar"] = &aceFound{kind: 'f', ino: 4, links: 1, data: []byte("x")} }, false},
	} {
		root := made()
		c.change(root, root.entries["A"], root.entries["bar"])
		if wrong := m.check(root); (len(wrong) == 0) != c.right {
			t.Errorf("%s: %q", name, wrong)
		}
	}

	// And by a kernel: the image without all that was written.
	a := newACE(t, "ext4", aceTypes[0].opts, "")
	k := a.kernel(t)
	dir, err := rig.Mount(k, a.disk, "ext4", 0, "")
	rig.Check(t, "mount", err)
	found, err := aceLook(&k.View, dir)
	rig.Check(t, "look", err)
	if wrong := m.check(found); len(wrong) == 0 {
		t.Error("an image without the workload is taken for one with it")
	}
	rig.Check(t, "unmount", k.Unmount(dir, 0))
}

// An ace runs workloads on one file system.
type ace struct {
	fstype, data string
	dev          *replayed
	k            *lkl.Kernel
	disk         string
	rng          *rand.Rand
	image        string // a copy for the checker
	some         int    // how many cuts to take after each point of persistence, or 0 for all

	seen map[uint64]bool // cuts that were checked before

	workloads, points, cuts, same, fscks, unreplayable int
}

func newACE(t *testing.T, fstype string, o testimg.Options, data string) *ace {
	t.Helper()
	dev, err := newReplayed(testimg.FS(t, fstype, o))
	rig.Check(t, "open", err)
	t.Cleanup(func() { dev.base.Close() })
	a := &ace{fstype: fstype, data: data, dev: dev, seen: map[uint64]bool{}, image: filepath.Join(scratch(t, true), "image"),
		rng: rand.New(rand.NewPCG(uint64(testimg.Seed(t)), 3))}
	t.Cleanup(func() {
		if a.k != nil {
			a.k.Kill()
		}
	})
	return a
}

func (a *ace) report(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s, %s: %d workloads, %d points of persistence, %d cuts mounted, %d more that were as others, %d given to the checker, %d that no Linux replays",
		a.fstype, what, a.workloads, a.points, a.cuts, a.same, a.fscks, a.unreplayable)
}

// kernel returns a kernel with the disk. Its clock stands, so that the same workload makes the same
// writes.
func (a *ace) kernel(t *testing.T) *lkl.Kernel {
	t.Helper()
	if a.k != nil && a.k.Err() == nil {
		return a.k
	}
	k, err := rig.BootContext(t.Context(), &lkl.Config{Clock: time.Unix(1_700_000_000, 0)})
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "boot", err)
	a.dev.become(nil)
	a.disk, err = k.AttachDisk(lkl.Disk{Device: a.dev})
	rig.Check(t, "attach", err)
	a.k = k
	return k
}

// A cut is a state of the model, and the positions in the recording at which it has to hold.
type aceCut struct {
	from, to int // of events; from is checked without what was not flushed
	at       *aceModel
	since    *aceModel // for what follows from
	after    string
}

// run runs a workload, and checks every cut after its first point of persistence.
func (a *ace) run(t *testing.T, w aceWorkload) {
	t.Helper()
	a.workloads++
	k := a.kernel(t)
	a.dev.begin()
	dir, err := rig.Mount(k, a.disk, a.fstype, 0, a.data)
	rig.Check(t, "mount", err)
	m := newACEModel()
	var cuts []aceCut
	for i, o := range w {
		if o.persists() && len(cuts) > 0 {
			cuts[len(cuts)-1].since = m.clone()
		}
		if !m.can(o) {
			t.Fatalf("%v: %v cannot be done", w, o)
		}
		n := len(m.nodes)
		m.do(o)
		if err := aceDo(&k.View, dir, o, m, n); err != nil {
			t.Fatalf("%s: %v: %v: %v\n%s", a.fstype, w, o, err, rig.LastLog(k, 10))
		}
		if o.persists() {
			if len(cuts) > 0 {
				cuts[len(cuts)-1].to = a.dev.position()
			}
			cuts = append(cuts, aceCut{from: a.dev.position(), at: m.clone(), after: w[:i+1].String()})
		}
	}
	a.points += len(cuts)
	rig.Check(t, "unmount", k.Unmount(dir, 0))
	events := a.dev.end()
	last := &cuts[len(cuts)-1]
	last.since, last.to = m.clone(), len(events)

	play := a.dev.play(events)
	for _, c := range cuts {
		flushed := a.dev.play(events)
		rig.Check(t, "play", flushed.to(lastFlush(events, c.from)))
		a.check(t, w, fmt.Sprintf("after %s, without what was not flushed", c.after), flushed.blocks, c.at, flushed.sum.Sum64())
		rig.Check(t, "play", play.to(c.from))
		some := a.rng.Perm(c.to - c.from)
		torn := c.to > c.from
		if a.some > 0 { // half of them torn
			if torn = torn && a.rng.IntN(2) == 0; torn {
				some = nil
			}
			some = some[:min(a.some, len(some))]
		}
		if torn {
			at := c.from + a.rng.IntN(c.to-c.from) + 1
			blocks, err := play.torn(a.rng, at)
			rig.Check(t, "play", err)
			a.check(t, w, fmt.Sprintf("at %d of %d to %d after %s, torn", at, c.from, c.to, c.after), blocks, c.since, 0)
		}
		for at := c.from + 1; at <= c.to; at++ {
			rig.Check(t, "play", play.to(at))
			if events[at-1].data != nil && slices.Contains(some, at-c.from-1) {
				a.check(t, w, fmt.Sprintf("at %d of %d to %d after %s", at, c.from, c.to, c.after), play.blocks, c.since, play.sum.Sum64())
			}
		}
		if t.Failed() {
			return
		}
	}
	// And all is there in the end.
	if m.persistAll(); a.some > 0 {
		return
	}
	a.check(t, w, "unmounted after "+w.String(), play.blocks, m, play.sum.Sum64())
}

// check mounts what a cut has left, and compares it with the model. sum is that of the recording until then,
// or 0 if it is no cut of the whole.
func (a *ace) check(t *testing.T, w aceWorkload, what string, blocks map[int64][]byte, m *aceModel, sum uint64) {
	t.Helper()
	if sum != 0 {
		var h maphash.Hash
		h.SetSeed(aceSeed)
		maphash.WriteComparable(&h, sum)
		m.hash(&h)
		if key := h.Sum64(); a.seen[key] {
			a.same++
			return
		} else {
			a.seen[key] = true
		}
	}
	a.cuts++
	k := a.kernel(t)
	a.dev.become(blocks)
	dir, err := rig.Mount(k, a.disk, a.fstype, 0, a.data)
	if err != nil {
		a.dev.become(blocks)
		if a.cannotReplay(t, err) {
			a.unreplayable++
			return
		}
		t.Errorf("%s: %s: it cannot be mounted: %v", a.fstype, what, err)
		return
	}
	found, err := aceLook(&k.View, dir)
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", a.fstype, what, err, rig.LastLog(k, 10))
	} else if wrong := m.check(found); len(wrong) > 0 {
		t.Errorf("%s: %s:\n\t%s", a.fstype, what, strings.Join(wrong, "\n\t"))
	}
	if err := k.Unmount(dir, 0); err != nil {
		t.Errorf("%s: %s: unmount: %v\n%s", a.fstype, what, err, rig.LastLog(k, 10))
		k.Kill()
	}
	if a.cuts%aceFsckEvery == 0 {
		a.fsck(t, what)
	}
}

// aceFsckEvery is how many cuts there are for one that is given to the checker.
const aceFsckEvery = 250

// fsck has the checker look at what the mount has made of a cut.
func (a *ace) fsck(t *testing.T, what string) {
	t.Helper()
	rig.Check(t, "copy", testimg.Copy(a.dev.base.Name(), a.image))
	defer os.Remove(a.image)
	rig.Check(t, "save", a.dev.save(a.image))
	a.fscks++
	out, err := testimg.FsckOutput(a.fstype, a.image)
	if _, missing := errors.AsType[*testimg.Missing](err); err != nil && !missing {
		t.Errorf("%s: %s: %v\n%s", a.fstype, what, err, out)
	}
}

// cannotReplay is [campaign.cannotReplay] for the device as it is.
func (a *ace) cannotReplay(t *testing.T, err error) bool {
	t.Helper()
	rig.Check(t, "copy", testimg.Copy(a.dev.base.Name(), a.image))
	defer os.Remove(a.image)
	rig.Check(t, "save", a.dev.save(a.image))
	c := &campaign{subject: subject{fstype: a.fstype}, image: a.image}
	return c.cannotReplay(t, err)
}

// aceDo does an operation on a mounted file system. The model has done it already, and gets the
// inode numbers of the nodes from the n-th on, which it has made.
func aceDo(v *lkl.View, dir string, o aceOp, m *aceModel, n int) error {
	p := filepath.Join(dir, o.path)
	to := filepath.Join(dir, o.to)
	with := func(flags int, do func(fd int) error) error {
		fd, err := v.Open(p, flags, 0o644)
		if err != nil {
			return err
		}
		return errors.Join(do(fd), v.CloseFd(fd))
	}
	node := func() *aceNode { return m.lookup(o.path) }
	made := p
	var err error
	switch o.name {
	case "creat":
		err = with(unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, func(int) error { return nil })
	case "mkdir":
		err = v.Mkdirat(unix.AT_FDCWD, p, 0o755)
	case "symlink":
		made, err = to, v.Symlinkat(o.path, unix.AT_FDCWD, to)
	case "link":
		err = v.Linkat(unix.AT_FDCWD, p, unix.AT_FDCWD, to, 0)
	case "unlink":
		err = v.Unlinkat(unix.AT_FDCWD, p, 0)
	case "remove":
		err = v.Unlinkat(unix.AT_FDCWD, p, unix.AT_REMOVEDIR)
	case "rename":
		err = v.Renameat(unix.AT_FDCWD, p, unix.AT_FDCWD, to)
	case "fsetxattr":
		err = with(unix.O_RDWR, func(fd int) error { return v.Fsetxattr(fd, aceAttr, []byte(node().xattr), 0) })
	case "removexattr":
		err = v.Removexattr(p, aceAttr)
	case "truncate":
		err = v.Truncate(p, int64(len(node().data)))
	case "falloc":
		off, length := o.span(m.before(o))
		err = with(unix.O_RDWR, func(fd int) error { return v.Fallocate(fd, o.mode, int64(off), int64(length)) })
	case "write", "dwrite":
		off, length := o.span(m.before(o))
		write := v.Pwrite
		if o.name == "dwrite" {
			write = v.PwriteDirect
		}
		err = with(unix.O_RDWR, func(fd int) error {
			done, err := write(fd, node().data[off:off+length], int64(off))
			if err == nil && done != length {
				err = unix.ENOSPC
			}
			return err
		})
	case "fsync", "fdatasync":
		flags, sync := unix.O_RDWR, v.Fsync
		if node().kind == 'd' {
			flags = unix.O_RDONLY | unix.O_DIRECTORY
		}
		if o.name == "fdatasync" {
			sync = v.Fdatasync
		}
		err = with(flags, sync)
	case "sync":
		err = v.Sync()
	default:
		err = unix.ENOSYS
	}
	if err == nil && len(m.nodes) > n {
		var st unix.Statx_t
		err = v.Statx(unix.AT_FDCWD, made, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO, &st)
		m.nodes[n].ino = st.Ino
	}
	return err
}

// before returns the size that a file had before an operation that changed its content.
func (m *aceModel) before(o aceOp) int { return m.lookup(o.path).size }

// aceAttr is the attribute that workloads set.
const aceAttr = "user.ace"

// aceLook reads all of a file system.
func aceLook(v *lkl.View, dir string) (*aceFound, error) {
	d := &aceFound{kind: 'd', entries: map[string]*aceFound{}}
	fd, err := v.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer v.CloseFd(fd)
	for e, err := range v.ReadDir(fd, unix.STATX_BASIC_STATS, lkl.READDIR_LINK|lkl.READDIR_XATTR) {
		if err == nil && e.Err != 0 {
			err = fmt.Errorf("%s/%s: %w", dir, e.Name, e.Err)
		}
		if err != nil {
			return nil, err
		}
		f := &aceFound{ino: e.Stat.Ino, links: int(e.Stat.Nlink), blocks: int(e.Stat.Blocks), target: e.Link}
		switch e.Stat.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			f.kind = 'd'
		case unix.S_IFLNK:
			f.kind = 'l'
		case unix.S_IFREG:
			f.kind = 'f'
			if e.XattrSize != 0 {
				var value [100]byte
				n, err := v.Lgetxattr(dir+"/"+e.Name, aceAttr, value[:])
				if err != nil && err != unix.ENODATA {
					return nil, fmt.Errorf("%s/%s: attribute: %w", dir, e.Name, err)
				}
				f.xattr = string(value[:max(n, 0)])
			}
			if e.Stat.Size > 0 {
				if f.data, err = v.ReadFile(dir+"/"+e.Name, 1<<20); err != nil {
					return nil, fmt.Errorf("%s/%s: %w", dir, e.Name, err)
				}
			}
		}
		d.entries[e.Name] = f
	}
	for name, f := range d.entries {
		if f.kind == 'd' && name != "lost+found" {
			below, err := aceLook(v, dir+"/"+name)
			if err != nil {
				return nil, err
			}
			f.entries = below.entries
		}
	}
	return d, nil
}
