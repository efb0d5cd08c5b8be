package matrix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// caps say what a file system can hold.
type caps struct {
	posix    bool     // owners, modes, hard links
	symlinks bool     // besides posix
	nodes    bool     // device nodes, FIFOs, sockets
	bigDevs  bool     // device numbers of 32 bits
	xattrs   []string // name spaces
	acls     bool
	anyByte  bool  // names may hold all bytes
	nameMax  int   // bytes
	sparse   int64 // how large a sparse file may be, 0 for none
	punch    bool
	exchange bool // RENAME_EXCHANGE
	many     int  // entries of the large directory
	links    int  // of one file
	linkLen  int  // of a symbolic link
	lossy    bool // entries are missed in a directory that is deleted from
	noOrphan bool // a file without a name cannot be written
}

var posix = caps{
	posix: true, symlinks: true, nodes: true, bigDevs: true,
	xattrs: []string{"user", "trusted", "security"}, acls: true,
	anyByte: true, nameMax: 255, sparse: 3 << 40, punch: true, exchange: true,
	many: 10000, links: 10000, linkLen: 1000,
}

// A runner does every kind of write below a directory.
type runner struct {
	t    testing.TB
	s    sys
	root string
	caps
}

func (r *runner) path(name string) string { return r.root + "/" + name }

func (r *runner) must(what string, err error) {
	r.t.Helper()
	if err != nil {
		log := ""
		if o, ok := r.s.(ours); ok && o.Kernel().Err() == nil {
			log = "\n" + lastLog(o.Kernel())
		}
		r.t.Fatalf("%s: %+v%s", what, err, log)
	}
}

func lastLog(k *lkl.Kernel) string {
	lines := strings.Split(k.Dmesg(), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

func (r *runner) open(name string, flags int) int {
	r.t.Helper()
	fd, err := r.s.Open(r.path(name), flags, 0o644)
	r.must("open "+name, err)
	return fd
}

func (r *runner) with(name string, flags int, do func(fd int)) {
	r.t.Helper()
	fd := r.open(name, flags)
	do(fd)
	r.must("close "+name, r.s.CloseFd(fd))
}

const creat = unix.O_CREAT | unix.O_EXCL | unix.O_RDWR

func (r *runner) file(name string, data []byte) {
	r.t.Helper()
	r.with(name, creat, func(fd int) {
		n, err := r.s.Pwrite(fd, data, 0)
		if err != nil || n != len(data) {
			r.must("write "+name, fmt.Errorf("%d bytes, %w", n, err))
		}
	})
}

func (r *runner) mkdir(name string) {
	r.t.Helper()
	r.must("mkdir "+name, r.s.Mkdirat(unix.AT_FDCWD, r.path(name), 0o755))
}

func (r *runner) rename(from, to string, flags uint) error {
	return r.s.Renameat2(unix.AT_FDCWD, r.path(from), unix.AT_FDCWD, r.path(to), flags)
}

// run does it all. What it leaves depends on the caps only.
func (r *runner) run() {
	r.t.Helper()
	r.contents()
	r.renames()
	r.names()
	if !r.noOrphan {
		r.open1()
	}
	if r.symlinks {
		r.links1()
	}
	if r.posix {
		r.hardLinks()
		r.owners()
	}
	if r.nodes {
		r.devices()
	}
	r.attributes()
	r.directory()
	r.times(".")
}

func (r *runner) contents() {
	r.mkdir("contents")
	for _, n := range []int{0, 1, 59, 60, 61, 511, 512, 513, 4095, 4096, 4097, 65536, 65537, 1<<20 + 123} {
		r.file(fmt.Sprintf("contents/size-%d", n), testimg.Pattern(n, uint64(n)))
	}
	r.with("contents/direct", creat, func(fd int) {
		for i := range 4 {
			_, err := r.s.PwriteDirect(fd, testimg.Pattern(1<<20, uint64(i)), int64(i)<<20)
			r.must("direct write", err)
		}
		_, err := r.s.PwriteDirect(fd, testimg.Pattern(777, 5), 4<<20)
		r.must("direct write of an odd end", err)
		r.must("fsync", r.s.Fsync(fd))
	})
	r.with("contents/appended", unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, func(fd int) {
		for i := range 50 {
			_, err := r.s.Write(fd, testimg.Pattern(333, uint64(i)))
			r.must("append", err)
		}
	})
	r.file("contents/overwritten", testimg.Pattern(100000, 1))
	r.with("contents/overwritten", unix.O_RDWR, func(fd int) {
		for i := range 20 {
			_, err := r.s.Pwrite(fd, testimg.Pattern(100+i, uint64(i)), int64(i)*4567)
			r.must("overwrite", err)
		}
	})
	r.file("contents/cut", testimg.Pattern(200000, 2))
	r.with("contents/cut", unix.O_RDWR, func(fd int) {
		r.must("truncate", r.s.Ftruncate(fd, 54321))
		r.must("truncate", r.s.Ftruncate(fd, 123456)) // zeros, not what was there
		_, err := r.s.Pwrite(fd, []byte("end"), 123456)
		r.must("write", err)
	})
	if r.sparse > 0 {
		r.with("contents/sparse", creat, func(fd int) {
			for _, at := range []int64{0, 1 << 20, r.sparse / 2, r.sparse - 5000} {
				_, err := r.s.Pwrite(fd, testimg.Pattern(5000, uint64(at)), at)
				r.must(fmt.Sprintf("sparse write at %d", at), err)
			}
		})
		r.with("contents/all-hole", creat, func(fd int) {
			r.must("truncate", r.s.Ftruncate(fd, r.sparse-1))
		})
	}
	if r.punch {
		r.with("contents/punched", creat, func(fd int) {
			_, err := r.s.Pwrite(fd, testimg.Pattern(1<<20, 3), 0)
			r.must("write", err)
			const keep = unix.FALLOC_FL_KEEP_SIZE
			r.must("punch", r.s.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|keep, 100000, 300000))
			r.must("punch", r.s.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|keep, 1<<20-100, 1<<20))
			if err := r.s.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 700000, 70000); err != unix.EOPNOTSUPP {
				r.must("zero", err)
			} else { // nilfs2 and the like
				_, err := r.s.Pwrite(fd, make([]byte, 70000), 700000)
				r.must("write", err)
			}
		})
		r.with("contents/allocated", creat, func(fd int) {
			r.must("fallocate", r.s.Fallocate(fd, 0, 0, 300000))
			r.must("fallocate", r.s.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 300000, 300000))
			_, err := r.s.Pwrite(fd, []byte("in the middle"), 150000)
			r.must("write", err)
		})
	}
	from, to := r.open("contents/direct", unix.O_RDONLY), r.open("contents/copied", creat)
	for off, out := int64(1000), int64(0); out < 1<<20; {
		n, err := r.s.CopyFileRange(from, &off, to, &out, 1<<20, 0)
		if err == unix.EINVAL { // of minix and others: the driver cannot splice
			buf := make([]byte, 1<<20)
			_, err = r.s.Pread(from, buf, 1000)
			r.must("read", err)
			_, err = r.s.Pwrite(to, buf, 0)
			r.must("write", err)
			break
		}
		r.must("copy_file_range", err)
		if n == 0 {
			r.t.Fatal("copy_file_range ended early")
		}
	}
	r.must("truncate", r.s.Ftruncate(to, 1<<20))
	r.must("close", r.s.CloseFd(from))
	r.must("close", r.s.CloseFd(to))
}

func (r *runner) renames() {
	r.mkdir("renames")
	for i := range 6 {
		r.file(fmt.Sprintf("renames/f%d", i), testimg.Pattern(1000+i, uint64(i)))
	}
	r.mkdir("renames/d1")
	r.mkdir("renames/d1/d2")
	r.file("renames/d1/d2/deep", []byte("deep"))
	r.mkdir("renames/empty")
	r.must("rename", r.rename("renames/f0", "renames/g0", 0))
	r.must("rename to another directory", r.rename("renames/f1", "renames/d1/f1", 0))
	r.must("rename over", r.rename("renames/f2", "renames/f3", 0))
	r.must("rename of a directory", r.rename("renames/d1/d2", "renames/moved", 0))
	r.must("rename over a directory", r.rename("renames/moved", "renames/empty", 0))
	if err := r.rename("renames/d1", "renames/d1/below", 0); err != unix.EINVAL {
		r.t.Errorf("rename into itself: %v", err)
	}
	if err := r.rename("renames/f4", "renames/f5", unix.RENAME_NOREPLACE); err != unix.EEXIST {
		r.t.Errorf("rename without replacing: %v", err)
	}
	if r.exchange {
		r.must("exchange", r.rename("renames/f4", "renames/d1", unix.RENAME_EXCHANGE))
	}
	if err := r.s.Unlinkat(unix.AT_FDCWD, r.path("renames/empty"), unix.AT_REMOVEDIR); !errors.Is(err, unix.ENOTEMPTY) {
		r.t.Errorf("rmdir of a full directory: %v", err)
	}
}

func (r *runner) names() {
	r.mkdir("names")
	list := []string{"with space", "-rf", "quote'`$(x)", ".hidden", "utf8-äöü-日本語", "semi;colon", "a.tar.gz", "UPPER lower"}
	if r.anyByte {
		list = append(list, "new\nline", "tab\there", "latin1-\xe9\xff", "back\\slash", "star*?", "trailing. ", "\x01\x7f", "🙂", "\"<>|:")
	}
	if r.nameMax > 0 {
		list = append(list, strings.Repeat("n", r.nameMax))
	}
	if r.anyByte && r.nameMax > 200 {
		list = append(list, strings.Repeat("\xf0", r.nameMax))
	}
	for _, name := range list {
		r.file("names/"+name, []byte(name))
	}
	if r.nameMax > 200 {
		_, err := r.s.Open(r.path("names/"+strings.Repeat("x", 256)), creat, 0o644)
		if err != unix.ENAMETOOLONG {
			r.t.Errorf("a name of 256 bytes: %v", err)
		}
	}
	deep := "names"
	for i := range 30 {
		deep += fmt.Sprintf("/d%d", i)
		r.mkdir(deep)
	}
	r.file(deep+"/bottom", []byte("bottom"))
}

// open1 uses a file that has no name any more.
func (r *runner) open1() {
	fd := r.open("unlinked", creat)
	_, err := r.s.Pwrite(fd, testimg.Pattern(50000, 1), 0)
	r.must("write", err)
	r.must("unlink", r.s.Unlinkat(unix.AT_FDCWD, r.path("unlinked"), 0))
	_, err = r.s.Pwrite(fd, testimg.Pattern(50000, 2), 50000)
	r.must("write to an unlinked file", err)
	buf := make([]byte, 100000)
	n, err := r.s.Pread(fd, buf, 0)
	r.must("read", err)
	if n != len(buf) || !bytes.Equal(buf, append(testimg.Pattern(50000, 1), testimg.Pattern(50000, 2)...)) {
		r.t.Errorf("an unlinked file reads otherwise than written")
	}
	r.must("close", r.s.CloseFd(fd))
}

func (r *runner) links1() {
	r.mkdir("symlinks")
	for name, target := range map[string]string{
		"relative": "../contents/size-1", "absolute": "/contents/size-1", "dangling": "nowhere",
		"loop-a": "loop-b", "loop-b": "loop-a", "short": "x", "odd": "with space and 日本語",
		"sixty": strings.Repeat("s", 60), "long": strings.Repeat("l", r.linkLen),
	} {
		r.must("symlink "+name, r.s.Symlinkat(target, unix.AT_FDCWD, r.path("symlinks/"+name)))
	}
	if _, err := r.s.Open(r.path("symlinks/loop-a"), unix.O_RDONLY, 0); err != unix.ELOOP {
		r.t.Errorf("a loop of links: %v", err)
	}
}

func (r *runner) hardLinks() {
	r.mkdir("links")
	r.file("links/first", testimg.Pattern(5000, 1))
	for i := range r.caps.links {
		err := r.s.Linkat(unix.AT_FDCWD, r.path("links/first"), unix.AT_FDCWD, r.path(fmt.Sprintf("links/%d", i)), 0)
		r.must("link", err)
	}
	r.must("unlink", r.s.Unlinkat(unix.AT_FDCWD, r.path("links/0"), 0))
	r.must("link", r.s.Linkat(unix.AT_FDCWD, r.path("links/first"), unix.AT_FDCWD, r.path("linked-from-elsewhere"), 0))
}

func (r *runner) owners() {
	r.mkdir("owners")
	for i, mode := range []uint32{0, 0o777, 0o4755, 0o2755, 0o6711, 0o222, 0o1600} {
		name := fmt.Sprintf("owners/mode-%o", mode)
		r.file(name, nil)
		r.must("chown", r.s.Fchownat(unix.AT_FDCWD, r.path(name), 1000+i*7, 60000-i, 0))
		r.must("chmod", r.s.Fchmodat(unix.AT_FDCWD, r.path(name), mode, 0))
	}
	r.mkdir("owners/sticky")
	r.must("chmod", r.s.Fchmodat(unix.AT_FDCWD, r.path("owners/sticky"), 0o1777, 0))
	r.mkdir("owners/setgid")
	r.must("chown", r.s.Fchownat(unix.AT_FDCWD, r.path("owners/setgid"), 0, 50, 0))
	r.must("chmod", r.s.Fchmodat(unix.AT_FDCWD, r.path("owners/setgid"), 0o2775, 0))
	r.file("owners/setgid/inherits", nil)
	if r.bigDevs { // and not of 1991
		r.file("owners/big", nil)
		r.must("chown", r.s.Fchownat(unix.AT_FDCWD, r.path("owners/big"), 100000, 3000000000, 0))
	}
	if r.symlinks {
		r.must("symlink", r.s.Symlinkat("target", unix.AT_FDCWD, r.path("owners/link")))
		r.must("lchown", r.s.Fchownat(unix.AT_FDCWD, r.path("owners/link"), 33, 34, unix.AT_SYMLINK_NOFOLLOW))
	}
}

func (r *runner) devices() {
	r.mkdir("nodes")
	major, minor := uint32(8), uint32(17)
	if r.bigDevs {
		major, minor = 259, 200000
	}
	for name, n := range map[string]struct {
		mode uint32
		dev  uint64
	}{
		"fifo":   {unix.S_IFIFO | 0o600, 0},
		"socket": {unix.S_IFSOCK | 0o755, 0},
		"null":   {unix.S_IFCHR | 0o666, unix.Mkdev(1, 3)},
		"sda1":   {unix.S_IFBLK | 0o660, unix.Mkdev(8, 1)},
		"char":   {unix.S_IFCHR | 0o600, unix.Mkdev(major, minor)},
		"block":  {unix.S_IFBLK | 0o600, unix.Mkdev(major, minor)},
	} {
		r.must("mknod "+name, r.s.Mknodat(unix.AT_FDCWD, r.path("nodes/"+name), n.mode, int(n.dev)))
	}
}

func (r *runner) attributes() {
	if len(r.xattrs) == 0 {
		return
	}
	r.mkdir("xattrs")
	for _, space := range r.xattrs {
		file := "xattrs/" + space
		r.file(file, []byte("x")) // its own: some have one small block for them
		set := func(name, attr, value string) {
			r.must("setxattr "+space+attr, r.s.Lsetxattr(r.path(name), space+attr, []byte(value), 0))
		}
		set("xattrs", ".one", "value of a directory")
		set(file, ".one", "value of "+file)
		set(file, ".empty", "")
		set(file, ".binary", "\x00\x01\xff\x00")
		set(file, ".replaced", "short")
		set(file, ".replaced", strings.Repeat("long", 100))
		set(file, ".removed", "x")
		r.must("removexattr", r.s.Lremovexattr(r.path(file), space+".removed"))
	}
	if r.acls {
		r.file("xattrs/acl", nil)
		r.must("acl", r.s.Lsetxattr(r.path("xattrs/acl"), "system.posix_acl_access", acl(), 0))
		r.mkdir("xattrs/default")
		r.must("default acl", r.s.Lsetxattr(r.path("xattrs/default"), "system.posix_acl_default", acl(), 0))
		r.file("xattrs/default/inherits", nil)
	}
}

// acl is user::rw-,user:1000:r--,group::r--,group:2000:rw-,mask::rw-,other::---
// as acl(5) stands in an attribute.
func acl() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{
		{0x01, 6, ^uint32(0)}, {0x02, 4, 1000}, {0x04, 4, ^uint32(0)},
		{0x08, 6, 2000}, {0x10, 6, ^uint32(0)}, {0x20, 0, ^uint32(0)},
	} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// directory makes a large one, and deletes from it while it is read.
func (r *runner) directory() {
	r.mkdir("many")
	for i := range r.many {
		name := r.path(fmt.Sprintf("many/entry-%05d", i))
		var err error
		if r.posix {
			err = r.s.Mknodat(unix.AT_FDCWD, name, unix.S_IFREG|0o644, 0)
		} else {
			var fd int
			if fd, err = r.s.Open(name, creat, 0o644); err == nil {
				err = r.s.CloseFd(fd)
			}
		}
		r.must("create", err)
	}
	// Whether a name that was removed meanwhile is seen again, as on jfs, is up
	// to the file system; but all must be seen.
	seen, deleted := map[string]bool{}, 0
	err := r.s.list(r.path("many"), func(name string, _ *unix.Statx_t) {
		if !seen[name] && name[len(name)-1]%2 == 0 {
			deleted++
			r.must("unlink "+name, r.s.Unlinkat(unix.AT_FDCWD, r.path("many/"+name), 0))
		}
		seen[strings.Clone(name)] = true
	})
	r.must("list", err)
	if r.lossy {
		r.t.Logf("of %d entries %d were seen, and %d deleted", r.many, len(seen), deleted)
		for i := 0; i < r.many; i += 2 {
			err := r.s.Unlinkat(unix.AT_FDCWD, r.path(fmt.Sprintf("many/entry-%05d", i)), 0)
			if err != unix.ENOENT {
				r.must("unlink", err)
			}
		}
		return
	}
	if len(seen) != r.many || deleted != r.many/2 {
		r.t.Errorf("of %d entries %d were seen, and %d deleted", r.many, len(seen), deleted)
	}
}

// times gives everything below a time that depends on its path.
func (r *runner) times(name string) {
	path := r.path(name)
	var dirs, others []string
	err := r.s.list(path, func(sub string, st *unix.Statx_t) {
		sub = name + "/" + sub
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			dirs = append(dirs, sub)
		} else {
			others = append(others, sub)
		}
	})
	r.must("list", err)
	for _, d := range dirs {
		if !strings.HasSuffix(d, "/lost+found") {
			r.times(d)
		}
	}
	for _, o := range append(others, name) {
		h := fnv.New32a()
		if strings.HasPrefix(o, "./links/") || o == "./linked-from-elsewhere" {
			h.Write([]byte("one file")) // whichever name comes last
		} else {
			h.Write([]byte(o))
		}
		at := unix.Timespec{Sec: 1e9 + int64(h.Sum32()%500000000), Nsec: int64(h.Sum32() % 1e9)}
		err := r.s.UtimesNanoAt(unix.AT_FDCWD, r.path(o), []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
		r.must("utimensat "+o, err)
	}
}
