package unboot_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestRandom does to a file system, at random, all that the package can do, and to
// a model of it in memory, and compares what either says: what fsx and fsstress are
// for system calls. UNBOOT_RANDOM_OPS says how many operations there are for each
// type, UNBOOT_RANDOM_SEED which: a number, or "new" for others each time. By itself
// it always does the same, so that a change is judged by what it changes.
func TestRandom(t *testing.T) {
	ops, seed := 30_000, uint64(1)
	switch {
	case testing.Short():
		ops = 10_000
	case testimg.Thorough():
		ops = 100_000
	}
	if s := os.Getenv("UNBOOT_RANDOM_OPS"); s != "" {
		ops = must(strconv.Atoi(s))
	}
	if s := os.Getenv("UNBOOT_RANDOM_SEED"); s == "new" {
		seed = rand.Uint64()
	} else if s != "" {
		seed = must(strconv.ParseUint(s, 0, 64))
	}
	for _, fstype := range writable {
		t.Run(fstype, func(t *testing.T) {
			r := &random{t: t, fstype: fstype, seed: seed, Rand: rand.New(rand.NewPCG(seed, 0)), image: inMemory(t, blank(t, fstype))}
			r.run(ops)
		})
	}
}

// inMemory moves an image to where syncing costs nothing, if there is such a place.
func inMemory(t *testing.T, image string) string {
	dir, err := os.MkdirTemp("/dev/shm", "unboot-random-")
	if err != nil {
		return image
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	to := filepath.Join(dir, "image")
	if err := testimg.Copy(image, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// A random is the file system and the model of it.
type random struct {
	*rand.Rand
	t      *testing.T
	fstype string
	seed   uint64
	image  string

	img   *unboot.Image
	f     *unboot.FS
	names map[string]*content // nil for a directory
	open  []*handle
	n     int // of the operation
	log   []string
}

// A content is what a file holds, under all its names.
type content struct{ data []byte }

// A handle is an open file.
type handle struct {
	file   *unboot.File
	of     *content
	pos    int64
	append bool
}

const (
	randomLog     = 25      // operations that a failure shows
	randomFile    = 400_000 // bytes of the largest file
	randomHandles = 5
)

// randomData has pieces to write, at any offset of it.
var randomData = testimg.Pattern(1<<20, 99)

func (r *random) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\nafter operation %d of UNBOOT_RANDOM_SEED=%d:\n\t%s", fmt.Sprintf(format, args...), r.n, r.seed, strings.Join(r.log, "\n\t"))
}

func (r *random) note(format string, args ...any) {
	if len(r.log) == randomLog {
		r.log = r.log[1:]
	}
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// ok checks that an operation has done what the model says it should.
func (r *random) ok(err error, should bool) bool {
	r.t.Helper()
	if (err == nil) != should {
		r.fail("%v, should work: %v", err, should)
	}
	return err == nil
}

// equal checks bytes that were read.
func (r *random) equal(what string, got, want []byte, err error) {
	r.t.Helper()
	if err == nil && bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	r.fail("%s: %d bytes, want %d, different from %d on; %v", what, len(got), len(want), at, err)
}

func (r *random) run(ops int) {
	r.names = map[string]*content{}
	r.mount()
	r.f.RemoveAll("lost+found")
	type op struct {
		often int
		do    func()
	}
	var list []func()
	for _, o := range []op{
		{60, r.opWriteAt}, {60, r.opReadAt}, {30, r.opWrite}, {30, r.opRead}, {15, r.opSeek}, {12, r.opTruncate},
		{10, r.opPunch}, {10, r.opAllocate}, {3, r.opSyncFile}, {8, r.opReadFrom}, {8, r.opWriteTo}, {4, r.opCopy},
		{15, r.opOpen}, {8, r.opClose}, {15, r.opWriteFile}, {10, r.opPut}, {5, r.opPutFiles}, {25, r.opReadFile},
		{15, r.opStat}, {8, r.opList}, {12, r.opRename}, {10, r.opRemove}, {6, r.opLink}, {6, r.opMkdir}, {1, r.opRemoveAll},
		{4, r.opExtents}, {1, r.opSync},
	} {
		for range o.often {
			list = append(list, o.do)
		}
	}
	for r.n = range ops {
		list[r.IntN(len(list))]()
		switch {
		case r.n%5000 == 4999:
			r.remount(r.n%20_000 == 19_999)
		case r.n%500 == 499:
			r.all()
		}
	}
	r.remount(true)
	r.close()
	testimg.Fsck(r.t, r.fstype, r.image)
}

func (r *random) mount() {
	if r.img == nil {
		r.img = open(r.t, r.image, unboot.Writable())
	}
	r.f = must(r.img.MountAuto())
}

func (r *random) close() {
	r.note("close the image")
	r.open = nil // they are closed with it
	r.ok(r.img.Close(), true)
	r.img = nil
}

// remount unmounts, or closes the image, and looks at what is there then.
func (r *random) remount(closed bool) {
	if closed {
		r.close()
	} else {
		r.note("unmount")
		r.open = nil
		r.ok(r.f.Unmount(), true)
	}
	r.mount()
	r.all()
}

// all compares everything.
func (r *random) all() {
	r.note("look at everything")
	got := map[string]bool{}
	for e, err := range r.f.Walk(".", nil) {
		if err != nil {
			r.fail("walk: %v", err)
		}
		if p := e.Path(); p != "." {
			r.entry(p, e)
			got[p] = true
		}
	}
	for p, c := range r.names {
		if !got[p] {
			r.fail("%s is missing", p)
		}
		if c != nil {
			data, err := r.f.ReadFile(p)
			r.equal(p, data, c.data, err)
		}
	}
}

// entry compares metadata with the model.
func (r *random) entry(p string, st fs.FileInfo) {
	r.t.Helper()
	c, known := r.names[p]
	if !known || st.IsDir() != (c == nil) || c != nil && st.Size() != int64(len(c.data)) {
		r.fail("%s: known %v, %v", p, known, st)
	}
}

// path returns a path, which may exist.
func (r *random) path() string {
	dirs := []string{"", "", "p/", "p/", "p/r/", "q/"}
	return dirs[r.IntN(len(dirs))] + string(rune('a'+r.IntN(6)))
}

func (r *random) dir() string { return []string{"p", "q", "p/r", "q/s"}[r.IntN(4)] }

func (r *random) isDir(p string) bool {
	c, known := r.names[p]
	return p == "." || known && c == nil
}

func (r *random) isFile(p string) bool { return r.names[p] != nil }

// canMake reports whether there may be a file at p.
func (r *random) canMake(p string) bool { return r.isDir(path.Dir(p)) && !r.isDir(p) }

// size returns how much to write or read: mostly little.
func (r *random) size() int {
	switch n := r.IntN(20); {
	case n < 13:
		return r.IntN(3000)
	case n < 17:
		return 4096 << r.IntN(3)
	case n < 19:
		return r.IntN(70_000)
	default:
		return r.IntN(randomFile - 10)
	}
}

func (r *random) data(n int) []byte {
	at := r.IntN(len(randomData) - n)
	return randomData[at:][:n]
}

// within returns a range of a file, which may be past its end but not too far.
func (r *random) within(h *handle) (off int64, n int) {
	n = r.size()
	off = int64(r.IntN(len(h.of.data) + 6000))
	if r.IntN(3) == 0 {
		off &^= 4095
	}
	return min(off, int64(randomFile-n)), n
}

func (c *content) resize(n int64) {
	if n <= int64(len(c.data)) {
		c.data = c.data[:n]
		return
	}
	old := len(c.data)
	c.data = slices.Grow(c.data, int(n)-old)[:n]
	clear(c.data[old:])
}

func (c *content) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	c.resize(max(int64(len(c.data)), off+int64(len(p))))
	copy(c.data[off:], p)
}

// at returns what is to be read.
func (c *content) at(off int64, n int) []byte {
	off = min(off, int64(len(c.data)))
	return c.data[off:min(off+int64(n), int64(len(c.data)))]
}

// handle returns an open file, or nil.
func (r *random) handle() *handle {
	if len(r.open) == 0 {
		return nil
	}
	return r.open[r.IntN(len(r.open))]
}

func (r *random) opWriteAt() {
	h := r.handle()
	if h == nil || h.append {
		return
	}
	off, n := r.within(h)
	r.note("%s: WriteAt %d+%d", h.file.Name(), off, n)
	p := r.data(n)
	got, err := h.file.WriteAt(p, off)
	if r.ok(err, true); got != n {
		r.fail("%d written", got)
	}
	h.of.write(p, off)
}

func (r *random) opReadAt() {
	h := r.handle()
	if h == nil {
		return
	}
	off, n := r.within(h)
	r.note("%s: ReadAt %d+%d", h.file.Name(), off, n)
	p := make([]byte, n)
	got, err := h.file.ReadAt(p, off)
	want := h.of.at(off, n)
	if len(want) < n && err == io.EOF {
		err = nil
	}
	r.equal("ReadAt", p[:got], want, err)
}

func (r *random) opWrite() {
	h := r.handle()
	if h == nil {
		return
	}
	n := r.size()
	off := h.pos
	if h.append {
		off = int64(len(h.of.data))
	}
	if off+int64(n) > randomFile {
		return
	}
	r.note("%s: Write %d+%d, append %v", h.file.Name(), off, n, h.append)
	p := r.data(n)
	got, err := h.file.Write(p)
	if r.ok(err, true); got != n {
		r.fail("%d written", got)
	}
	h.wrote(p, off)
}

// wrote is what a Write does to the model.
func (h *handle) wrote(p []byte, off int64) {
	h.of.write(p, off)
	if len(p) > 0 {
		h.pos = off + int64(len(p))
	}
}

func (r *random) opRead() {
	h := r.handle()
	if h == nil {
		return
	}
	n := 1 + r.size()
	r.note("%s: Read %d+%d", h.file.Name(), h.pos, n)
	p := make([]byte, n)
	got, err := io.ReadFull(h.file, p)
	want := h.of.at(h.pos, n)
	r.equal("Read", p[:got], want, noEOF(err))
	h.pos += int64(got)
}

func (r *random) opSeek() {
	h := r.handle()
	if h == nil {
		return
	}
	whence := r.IntN(3)
	base := []int64{0, h.pos, int64(len(h.of.data))}[whence]
	to := int64(r.IntN(len(h.of.data) + 5000))
	r.note("%s: Seek to %d, whence %d", h.file.Name(), to, whence)
	if got, err := h.file.Seek(to-base, whence); got != to || err != nil {
		r.fail("%d, %v", got, err)
	}
	h.pos = to
}

func (r *random) opTruncate() {
	size := int64(r.size())
	if p := r.path(); r.IntN(3) == 0 {
		r.note("Truncate %s to %d", p, size)
		if r.ok(r.f.Truncate(p, size), r.isFile(p)) {
			r.names[p].resize(size)
		}
		return
	}
	if h := r.handle(); h != nil {
		if r.IntN(2) == 0 {
			size = min(int64(len(h.of.data))*int64(r.IntN(20))/15, randomFile)
		}
		r.note("%s: Truncate to %d", h.file.Name(), size)
		r.ok(h.file.Truncate(size), true)
		h.of.resize(size)
	}
}

// cannot reports whether a file system cannot do what was asked for, as those that
// Windows has made may.
func (r *random) cannot(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) && slices.Contains([]string{"vfat", "exfat", "ntfs"}, r.fstype)
}

func (r *random) opPunch() {
	h := r.handle()
	if h == nil {
		return
	}
	off, n := r.within(h)
	n++
	r.note("%s: Punch %d+%d", h.file.Name(), off, n)
	if err := h.file.Punch(off, int64(n)); !r.cannot(err) {
		r.ok(err, true)
		clear(h.of.at(off, n))
	}
}

func (r *random) opAllocate() {
	h := r.handle()
	if h == nil {
		return
	}
	off, n := r.within(h)
	n = min(n+1, int(randomFile-off))
	if n == 0 {
		return
	}
	r.note("%s: Allocate %d+%d", h.file.Name(), off, n)
	if err := h.file.Allocate(off, int64(n)); !r.cannot(err) {
		r.ok(err, true)
		h.of.resize(max(off+int64(n), int64(len(h.of.data))))
	}
}

func (r *random) opSyncFile() {
	if h := r.handle(); h != nil {
		r.note("%s: Sync", h.file.Name())
		r.ok(h.file.Sync(), true)
	}
}

func (r *random) opReadFrom() {
	h := r.handle()
	if h == nil {
		return
	}
	p := r.data(r.size())
	off := h.pos
	if h.append {
		off = int64(len(h.of.data))
	}
	if off+int64(len(p)) > randomFile {
		return
	}
	r.note("%s: ReadFrom %d+%d, append %v", h.file.Name(), off, len(p), h.append)
	got, err := h.file.ReadFrom(bytes.NewReader(p))
	if r.ok(err, true); got != int64(len(p)) {
		r.fail("%d written", got)
	}
	h.wrote(p, off)
}

func (r *random) opWriteTo() {
	h := r.handle()
	if h == nil {
		return
	}
	r.note("%s: WriteTo from %d", h.file.Name(), h.pos)
	var b bytes.Buffer
	n, err := h.file.WriteTo(&b)
	r.equal("WriteTo", b.Bytes(), h.of.at(h.pos, randomFile), err)
	h.pos += n
}

func (r *random) opCopy() {
	from, to := r.handle(), r.handle()
	if from == nil || from.of == to.of {
		return
	}
	p := from.of.at(from.pos, randomFile)
	off := to.pos
	if to.append {
		off = int64(len(to.of.data))
	}
	if off+int64(len(p)) > randomFile {
		return
	}
	r.note("copy %d bytes from %s to %s at %d", len(p), from.file.Name(), to.file.Name(), off)
	n, err := io.Copy(to.file, from.file)
	if r.ok(err, true); n != int64(len(p)) {
		r.fail("%d copied", n)
	}
	from.pos += n
	to.wrote(p, off)
}

func (r *random) opOpen() {
	p := r.path()
	flag := []int{os.O_RDWR, os.O_RDWR, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_CREATE,
		os.O_RDWR | os.O_CREATE | os.O_APPEND, os.O_RDWR | os.O_CREATE | os.O_TRUNC, os.O_RDWR | os.O_CREATE | os.O_EXCL}[r.IntN(7)]
	r.note("open %s, %#x", p, flag)
	should := r.isFile(p) && flag&os.O_EXCL == 0 || flag&os.O_CREATE != 0 && r.canMake(p) && !r.isFile(p)
	file, err := r.f.OpenFile(p, flag, 0o644)
	if !r.ok(err, should) {
		return
	}
	if !r.isFile(p) || flag&os.O_TRUNC != 0 {
		r.made(p, nil)
	}
	r.open = append(r.open, &handle{file: file, of: r.names[p], append: flag&os.O_APPEND != 0})
	if len(r.open) > randomHandles {
		r.opClose()
	}
}

// made is what rewriting a file does to the model.
func (r *random) made(p string, data []byte) {
	if !r.isFile(p) {
		r.names[p] = &content{}
	}
	r.names[p].data = append(r.names[p].data[:0], data...)
}

func (r *random) opClose() {
	if len(r.open) == 0 {
		return
	}
	i := r.IntN(len(r.open))
	r.note("close %s", r.open[i].file.Name())
	r.ok(r.open[i].file.Close(), true)
	r.open = slices.Delete(r.open, i, i+1)
}

func (r *random) opWriteFile() {
	p, data := r.path(), r.data(r.size())
	r.note("WriteFile %s, %d bytes", p, len(data))
	if r.ok(r.f.WriteFile(p, data, 0o644), r.canMake(p)) {
		r.made(p, data)
	}
}

func (r *random) opPut() {
	p, data := r.path(), r.data(r.size())
	r.note("Put %s, %d bytes", p, len(data))
	m := &unboot.Metadata{Mode: 0o644, UID: -1, GID: -1, Size: int64(len(data) * r.IntN(2))}
	if r.ok(r.f.Put(p, m, bytes.NewReader(data)), r.canPut(p)) {
		r.names[p] = &content{bytes.Clone(data)} // another file
	}
}

// canPut reports whether a file can be put, also over an empty directory.
func (r *random) canPut(p string) bool { return r.canMake(p) || r.isDir(p) && r.empty(p) }

func (r *random) empty(dir string) bool {
	for p := range r.names {
		if strings.HasPrefix(p, dir+"/") {
			return false
		}
	}
	return true
}

func (r *random) opPutFiles() {
	var files []*unboot.NewFile
	for range 1 + r.IntN(5) {
		f := &unboot.NewFile{Name: r.path(), Metadata: unboot.Metadata{Mode: 0o600, UID: -1, GID: -1}, Data: r.data(r.IntN(5000))}
		if !slices.ContainsFunc(files, func(o *unboot.NewFile) bool { return o.Name == f.Name }) {
			r.note("PutFiles %s, %d bytes", f.Name, len(f.Data))
			files = append(files, f)
		}
	}
	for i, err := range r.f.PutFiles(files) {
		if p := files[i].Name; r.ok(err, r.canPut(p)) {
			r.names[p] = &content{bytes.Clone(files[i].Data)}
		}
	}
}

func (r *random) opReadFile() {
	p := r.path()
	r.note("ReadFile %s", p)
	data, err := r.f.ReadFile(p)
	if r.ok(err, r.isFile(p)) {
		r.equal("ReadFile", data, r.names[p].data, err)
	}
}

func (r *random) opStat() {
	p := r.path()
	r.note("Stat %s", p)
	_, known := r.names[p]
	st, err := r.f.Stat(p)
	if r.ok(err, known) {
		r.entry(p, st)
	}
	if h := r.handle(); h != nil {
		if st, err := h.file.Stat(); err != nil || st.Size() != int64(len(h.of.data)) {
			r.fail("%s: Stat of %d bytes: %v, %v", h.file.Name(), len(h.of.data), st, err)
		}
	}
}

// opList lists a directory in one of the ways there are, and reads what is in it
// in another.
func (r *random) opList() {
	dir := cmp.Or(r.dir(), ".")
	if r.IntN(3) == 0 {
		dir = "."
	}
	how := r.IntN(4)
	r.note("list %s, by way %d", dir, how)
	var list []*unboot.Entry
	var err error
	add := func(found []fs.DirEntry) {
		for _, e := range found {
			list = append(list, e.(*unboot.Entry))
		}
	}
	switch how {
	case 0:
		var found []fs.DirEntry
		found, err = r.f.ReadDir(dir)
		add(found)
	case 1:
		var d fs.File
		if d, err = r.f.Open(dir); err == nil {
			var found []fs.DirEntry
			found, err = d.(*unboot.File).ReadDir(-1)
			add(found)
			d.Close()
		}
	case 2:
		for e, werr := range r.f.Walk(dir, &unboot.WalkOptions{Sorted: true}) {
			err = errors.Join(err, werr)
			if e != nil && path.Dir(e.Path()) == dir && e.Path() != "." {
				list = append(list, e)
			}
			if e != nil && e.IsDir() && e.Path() != dir {
				e.SkipDir()
			}
		}
		if r.isFile(dir) {
			err = unix.ENOTDIR
		}
	default:
		var sub fs.FS
		if sub, err = r.f.Sub(dir); err == nil {
			var found []fs.DirEntry
			found, err = fs.ReadDir(sub, ".")
			for _, e := range found {
				list = append(list, must(r.f.Lstat(path.Join(dir, e.Name()))).(*unboot.Entry))
			}
		}
	}
	if !r.ok(err, r.isDir(dir)) {
		return
	}
	want := 0
	for p := range r.names {
		if path.Dir(p) == dir {
			want++
		}
	}
	if len(list) != want {
		r.fail("%d of %d entries", len(list), want)
	}
	list = slices.DeleteFunc(list, func(e *unboot.Entry) bool {
		r.entry(e.Path(), e)
		return e.IsDir()
	})
	data, errs := r.f.ReadFiles(list)
	for i, e := range list {
		r.equal("ReadFiles "+e.Path(), data[i], r.names[e.Path()].data, errs[i])
	}
}

func (r *random) opRename() {
	from, to := r.path(), r.path()
	if r.IntN(4) == 0 {
		from, to = r.dir(), r.dir()
	}
	r.note("Rename %s to %s", from, to)
	c, known := r.names[from]
	should := known && !r.isDir(to) && r.isDir(path.Dir(to)) && !strings.HasPrefix(to, from+"/") && (c != nil || !r.isFile(to))
	if !r.ok(r.f.Rename(from, to), should) || from == to {
		return
	}
	if c != nil {
		if r.names[to] != c { // else they are links to one file, and both stay
			r.names[to] = c
			delete(r.names, from)
		}
		return
	}
	for p, c := range maps.Clone(r.names) {
		if p == from || strings.HasPrefix(p, from+"/") {
			delete(r.names, p)
			r.names[to+p[len(from):]] = c
		}
	}
}

func (r *random) opRemove() {
	p := r.path()
	if r.IntN(5) == 0 {
		p = r.dir()
	}
	r.note("Remove %s", p)
	_, known := r.names[p]
	if r.ok(r.f.Remove(p), known && r.empty(p)) {
		delete(r.names, p)
	}
}

func (r *random) opRemoveAll() {
	p := r.dir()
	r.note("RemoveAll %s", p)
	if !r.isDir(path.Dir(p)) && r.isFile(path.Dir(p)) {
		return // it is ENOTDIR, or nothing
	}
	r.ok(r.f.RemoveAll(p), true)
	maps.DeleteFunc(r.names, func(name string, _ *content) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

func (r *random) opLink() {
	if r.fstype == "vfat" || r.fstype == "exfat" {
		return
	}
	from, to := r.path(), r.path()
	r.note("Link %s to %s", from, to)
	_, known := r.names[to]
	if r.ok(r.f.Link(from, to), r.isFile(from) && r.canMake(to) && !known) {
		r.names[to] = r.names[from]
	}
}

func (r *random) opMkdir() {
	p := r.dir()
	r.note("Mkdir %s", p)
	_, known := r.names[p]
	if r.ok(r.f.Mkdir(p, 0o755), r.isDir(path.Dir(p)) && !known) {
		r.names[p] = nil
	}
}

// opExtents checks that what is between extents is zeros.
func (r *random) opExtents() {
	h := r.handle()
	if h == nil {
		return
	}
	r.note("%s: Extents", h.file.Name())
	list, err := h.file.Extents()
	r.ok(err, true)
	at := int64(0)
	for _, e := range append(list, unboot.Extent{Offset: int64(len(h.of.data))}) {
		hole := h.of.at(at, int(e.Offset-at))
		if len(hole) != bytes.Count(hole, []byte{0}) {
			r.fail("data in the hole from %d to %d: %v", at, e.Offset, list)
		}
		at = e.Offset + e.Length
	}
}

func (r *random) opSync() {
	r.note("Sync")
	r.ok(r.f.Sync(), true)
}
