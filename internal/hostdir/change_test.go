package hostdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// create makes a file, and returns a fid that is open.
func (c *client) create(dir uint32, name string, flags, mode uint32) (uint32, error) {
	fid, err := c.tryWalk(dir)
	if err != nil {
		return 0, err
	}
	if _, err = c.call(msgLcreate, u32(fid), str(name), u32(flags), u32(mode), u32(0)); err != nil {
		c.clunk(fid)
	}
	return fid, err
}

func lstat(t *testing.T, name string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(name, &st); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return st
}

// TestChanges makes one of each change, and finds it on the host.
func TestChanges(t *testing.T) {
	old := unix.Umask(0o077) // which is not the guest's
	defer unix.Umask(old)
	dir := t.TempDir()
	c := start(t, dir, Options{})
	c.must(c.call(msgMkdir, u32(rootFid), str("d"), u32(0o751), u32(0)))
	if st := lstat(t, dir+"/d"); st.Mode != unix.S_IFDIR|0o751 {
		t.Errorf("mode %o", st.Mode)
	}
	d := c.walk("d")
	f, err := c.create(d, "f", unix.O_RDWR|openExcl, 0o664)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.create(d, "f", unix.O_RDWR|openExcl, 0o664); err != unix.EEXIST {
		t.Error(err)
	}
	c.write(f, 0, "hello")
	// Without O_EXCL it is opened as it is.
	again, err := c.create(d, "f", unix.O_WRONLY|openAppend, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.write(again, 5, ", world")
	if p, err := c.read(f, 0, 100); string(p) != "hello, world" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := c.read(again, 0, 100); err != unix.EBADF {
		t.Error(err)
	}
	for _, data := range []uint32{0, 1} {
		c.must(c.call(msgFsync, u32(f), u32(data)))
	}
	if st := lstat(t, dir+"/d/f"); st.Mode != unix.S_IFREG|0o664 || st.Size != 12 {
		t.Errorf("mode %o, size %d", st.Mode, st.Size)
	}
	c.must(c.call(msgSymlink, u32(d), str("l"), str("/etc/passwd"), u32(0)))
	if to, err := os.Readlink(dir + "/d/l"); to != "/etc/passwd" {
		t.Error(to, err)
	}
	c.must(c.call(msgMknod, u32(d), str("p"), u32(unix.S_IFIFO|0o622), u32(0), u32(0), u32(0)))
	c.must(c.call(msgMknod, u32(d), str("s"), u32(unix.S_IFSOCK|0o600), u32(0), u32(0), u32(0)))
	if st := lstat(t, dir+"/d/p"); st.Mode != unix.S_IFIFO|0o622 {
		t.Errorf("mode %o", st.Mode)
	}
	c.must(c.call(msgLink, u32(rootFid), u32(c.walk("d", "f")), str("f2")))
	c.must(c.call(msgLink, u32(rootFid), u32(c.walk("d", "l")), str("l2"))) // the link itself
	if a, b := lstat(t, dir+"/f2"), lstat(t, dir+"/d/f"); a.Ino != b.Ino || a.Nlink != 2 {
		t.Errorf("%+v, %+v", a, b)
	}
	if a, b := lstat(t, dir+"/l2"), lstat(t, dir+"/d/l"); a.Ino != b.Ino {
		t.Error("a link to a symbolic link is none")
	}
	// Fids follow a directory that is renamed.
	inside := c.walk("d", "p")
	c.must(c.call(msgRenameat, u32(rootFid), str("d"), u32(rootFid), str("e")))
	c.must(c.call(msgRename, u32(inside), u32(rootFid), str("pipe")))
	if st := lstat(t, dir+"/pipe"); st.Mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("mode %o", st.Mode)
	}
	if _, err := c.stat(c.walk("e", "f")); err != nil {
		t.Error(err)
	}
	c.fails(unix.EINVAL, msgRenameat, u32(rootFid), str("e"), u32(d), str("x")) // into itself
	c.fails(unix.ENOTEMPTY, msgUnlinkat, u32(rootFid), str("e"), u32(unix.AT_REMOVEDIR))
	c.fails(unix.EISDIR, msgUnlinkat, u32(rootFid), str("e"), u32(0))
	// What is removed is still there for who has it open, or has a fid.
	held := c.walk("f2")
	c.must(c.call(msgUnlinkat, u32(rootFid), str("f2"), u32(0)))
	c.must(c.call(msgRemove, u32(c.walk("e", "f"))))
	for _, fid := range []uint32{f, held} {
		if a, err := c.stat(fid); err != nil || a.nlink != 0 || a.size != 12 {
			t.Errorf("%+v, %v", a, err)
		}
	}
	c.setattr(f, attrSize, func(s *setattr) { s.size = 5 })
	if p, err := c.read(f, 0, 100); string(p) != "hello" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	for _, name := range []string{"l", "s"} {
		c.must(c.call(msgUnlinkat, u32(d), str(name), u32(0)))
	}
	c.must(c.call(msgUnlinkat, u32(rootFid), str("e"), u32(unix.AT_REMOVEDIR)))
	c.fails(unix.ENOENT, msgMkdir, u32(d), str("x"), u32(0o755), u32(0))
	// A file that is replaced by another one, while it is open.
	a, _ := c.create(rootFid, "a", unix.O_RDWR, 0o600)
	b, _ := c.create(rootFid, "b", unix.O_RDWR, 0o600)
	c.write(a, 0, "a")
	c.write(b, 0, "b")
	unopened := c.walk("b")
	c.must(c.call(msgRenameat, u32(rootFid), str("a"), u32(rootFid), str("b")))
	if p, err := c.read(b, 0, 1); string(p) != "b" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if a, err := c.stat(unopened); err != nil || a.nlink != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if p, err := c.read(c.open(unix.O_RDONLY, "b"), 0, 1); string(p) != "a" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	left, _ := os.ReadDir(dir)
	var list []string
	for _, e := range left {
		list = append(list, e.Name())
	}
	if want := []string{"b", "l2", "pipe"}; !slices.Equal(list, want) {
		t.Errorf("%q are left, want %q", list, want)
	}
}

func TestSetattr(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/f"
	os.WriteFile(name, []byte("0123456789"), 0o600)
	os.Symlink("nowhere", dir+"/l")
	c := start(t, dir, Options{})
	for _, open := range []bool{false, true} {
		f := c.walk("f")
		if open {
			c.must(c.call(msgLopen, u32(f), u32(unix.O_RDWR)))
		}
		c.setattr(f, attrSize|attrMode|attrAtime|attrMtime|attrAtimeSet|attrMtimeSet, func(s *setattr) {
			s.size, s.mode, s.times = 5, 0o644, [4]uint64{1, 2, 1<<33 + 5, 999_999_999}
		})
		st := lstat(t, name)
		if st.Size != 5 || st.Mode != unix.S_IFREG|0o644 || st.Atim != (unix.Timespec{Sec: 1, Nsec: 2}) || st.Mtim != (unix.Timespec{Sec: 1<<33 + 5, Nsec: 999_999_999}) {
			t.Errorf("%+v", st)
		}
		c.setattr(f, attrMtime|attrMode, func(s *setattr) { s.mode = 0o600 }) // now
		if now := lstat(t, name); now.Mtim.Sec > 1<<33 || now.Mtim.Sec < 1e9 || now.Atim != st.Atim || now.Mode != unix.S_IFREG|0o600 {
			t.Errorf("%+v", now)
		}
		c.setattr(f, attrSize, func(s *setattr) { s.size = 10 })
		if _, err := c.trySetattr(f, attrMtime|attrMtimeSet, func(s *setattr) { s.times[3] = 1e9 }); err != unix.EINVAL {
			t.Error(err)
		}
	}
	// A symbolic link has times of its own.
	l := c.walk("l")
	c.setattr(l, attrMtime|attrMtimeSet, func(s *setattr) { s.times[2] = 77 })
	if st := lstat(t, dir+"/l"); st.Mtim.Sec != 77 {
		t.Errorf("%+v", st.Mtim)
	}
	if _, err := c.trySetattr(l, attrSize, func(*setattr) {}); err != unix.EINVAL {
		t.Error(err)
	}
	if _, err := c.trySetattr(rootFid, attrSize, func(*setattr) {}); err != unix.EISDIR {
		t.Error(err)
	}
	var st unix.Statfs_t
	unix.Statfs(dir, &st)
	d := c.must(c.call(msgStatfs, u32(l)))
	if magic, size, blocks := d.u32(), d.u32(), d.u64(); magic != fsMagic || int64(size) != st.Bsize || blocks != st.Blocks {
		t.Errorf("%x, %d blocks of %d", magic, blocks, size)
	}
}

// getxattr reads an attribute, in pieces of 3 bytes.
func (c *client) getxattr(fid uint32, name string) (value []byte, err error) {
	fresh := c.next
	c.next++
	d, err := c.call(msgXattrwalk, u32(fid), u32(fresh), str(name))
	if err != nil {
		return nil, err
	}
	defer c.clunk(fresh)
	size := d.u64()
	for {
		p, err := c.read(fresh, uint64(len(value)), 3)
		if err != nil {
			return nil, err
		}
		if value = append(value, p...); len(p) == 0 {
			if uint64(len(value)) != size {
				c.t.Errorf("%s has %d bytes, not %d", name, len(value), size)
			}
			return value, nil
		}
	}
}

func (c *client) setxattr(fid uint32, name, value string, flags uint32) error {
	f, err := c.tryWalk(fid)
	if err != nil {
		return err
	}
	if _, err := c.call(msgXattrcreate, u32(f), str(name), u64(uint64(len(value))), u32(flags)); err != nil {
		c.clunk(f)
		return err
	}
	for i := 0; i < len(value); i += 1000 {
		if _, err := c.write(f, uint64(i), value[i:min(i+1000, len(value))]); err != nil {
			return err
		}
	}
	return c.clunk(f)
}

func TestXattr(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/f"
	os.WriteFile(name, nil, 0o600)
	if err := unix.Setxattr(name, "user.host", []byte("from the host"), 0); err == unix.ENOTSUP {
		t.Skip("no extended attributes in ", dir)
	}
	c := start(t, dir, Options{})
	f := c.walk("f")
	if v, err := c.getxattr(f, "user.host"); string(v) != "from the host" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	value := strings.Repeat("0123456789", 300)
	if err := c.setxattr(f, "user.guest", value, unix.XATTR_CREATE); err != nil {
		t.Error(err)
	}
	if err := c.setxattr(f, "user.empty", "", 0); err != nil {
		t.Error(err)
	}
	if err := c.setxattr(f, "user.guest", "x", unix.XATTR_CREATE); err != unix.EEXIST {
		t.Error(err)
	}
	got := make([]byte, 10_000)
	if n, err := unix.Getxattr(name, "user.guest", got); string(got[:max(n, 0)]) != value || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	unix.Setxattr(name, "trusted.host", []byte("secret"), 0)
	if list, err := c.getxattr(f, ""); !sameNames(string(list), "user.empty", "user.guest", "user.host") || err != nil {
		t.Errorf("%q, %v", list, err)
	}
	if err := c.setxattr(f, "user.guest", "", unix.XATTR_REPLACE); err != nil {
		t.Error(err)
	}
	if _, err := c.getxattr(f, "user.guest"); err != unix.ENODATA {
		t.Error(err)
	}
	if _, err := c.getxattr(f, "trusted.host"); err != unix.ENODATA {
		t.Error(err)
	}
	for _, name := range []string{"trusted.x", "security.capability", "security.selinux", "system.x", "x"} {
		if err := c.setxattr(f, name, "value", 0); err != unix.EPERM {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.setxattr(f, "user.big", strings.Repeat("x", maxXattr+1), 0); err != unix.E2BIG {
		t.Error(err)
	}
	// Less than was promised, or more.
	x := c.walk("f")
	c.must(c.call(msgXattrcreate, u32(x), str("user.x"), u64(3), u32(0)))
	if _, err := c.write(x, 1, "1"); err != unix.EINVAL {
		t.Error(err)
	}
	if _, err := c.write(x, 0, "1234"); err != unix.ENOSPC {
		t.Error(err)
	}
	if err := c.clunk(x); err != unix.EINVAL {
		t.Error(err)
	}
	if _, err := c.getxattr(f, "user.x"); err != unix.ENODATA {
		t.Error(err)
	}
}

func sameNames(list string, want ...string) bool {
	got := strings.Split(strings.TrimSuffix(list, "\x00"), "\x00")
	slices.Sort(got)
	return slices.Equal(got, want)
}

// TestReadOnly tries each message that changes something.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := testimg.WriteTree(dir, testimg.OddTree()); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(dir+"/f", []byte("f"), 0o600)
	before := lstat(t, dir+"/f")
	c := start(t, dir, Options{ReadOnly: true})
	f := c.walk("f")
	root := u32(rootFid)
	for _, flags := range []uint32{unix.O_WRONLY, unix.O_RDWR, openTrunc} {
		c.fails(unix.EROFS, msgLopen, u32(f), u32(flags))
	}
	c.fails(unix.EROFS, msgMkdir, root, str("x"), u32(0o755), u32(0))
	c.fails(unix.EROFS, msgSymlink, root, str("x"), str("y"), u32(0))
	c.fails(unix.EROFS, msgMknod, root, str("x"), u32(unix.S_IFIFO), u32(0), u32(0), u32(0))
	c.fails(unix.EROFS, msgLink, root, u32(f), str("x"))
	c.fails(unix.EROFS, msgRenameat, root, str("f"), root, str("x"))
	c.fails(unix.EROFS, msgRename, u32(f), root, str("x"))
	c.fails(unix.EROFS, msgUnlinkat, root, str("f"), u32(0))
	c.fails(unix.EROFS, msgXattrcreate, u32(f), str("user.x"), u64(1), u32(0))
	c.fails(unix.EROFS, msgRemove, u32(c.walk("f")))
	if _, err := c.create(rootFid, "x", unix.O_RDWR, 0o600); err != unix.EROFS {
		t.Error(err)
	}
	for _, valid := range []uint32{attrMode, attrUID, attrGID, attrSize, attrAtime, attrMtime, 0} {
		if _, err := c.trySetattr(f, valid, func(*setattr) {}); err != unix.EROFS {
			t.Errorf("%x: %v", valid, err)
		}
	}
	c.must(c.call(msgLopen, u32(f), u32(unix.O_RDONLY)))
	if _, err := c.write(f, 0, "x"); err != unix.EBADF {
		t.Error(err)
	}
	if after := lstat(t, dir+"/f"); after.Ctim != before.Ctim {
		t.Error("a file has changed")
	}
}

// TestPrivileges tries what would give somebody on the host rights that he does not have.
func TestPrivileges(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/f", []byte("f"), 0o700)
	os.WriteFile(dir+"/suid", []byte("f"), 0o755)
	if err := os.Chmod(dir+"/suid", 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	c := start(t, dir, Options{})
	f, suid := c.walk("f"), c.walk("suid")
	for _, mode := range []uint32{0o4755, 0o2755, 0o4000, 0o6777} {
		if _, err := c.trySetattr(f, attrMode, func(s *setattr) { s.mode = mode }); err != unix.EPERM {
			t.Errorf("%o: %v", mode, err)
		}
		if _, err := c.create(rootFid, "x", unix.O_RDWR, mode); err != unix.EPERM {
			t.Errorf("%o: %v", mode, err)
		}
		c.fails(unix.EPERM, msgMknod, u32(rootFid), str("x"), u32(unix.S_IFREG|mode), u32(0), u32(0), u32(0))
	}
	// Those bits mean something else, or nothing.
	c.setattr(f, attrMode, func(s *setattr) { s.mode = 0o3740 })
	c.must(c.call(msgMkdir, u32(rootFid), str("d"), u32(0o3777), u32(0)))
	if st := lstat(t, dir+"/d"); st.Mode != unix.S_IFDIR|0o3777 {
		t.Errorf("mode %o", st.Mode)
	}
	for _, flags := range []uint32{unix.O_WRONLY, unix.O_RDWR, openTrunc} {
		c.fails(unix.EPERM, msgLopen, u32(suid), u32(flags))
	}
	if _, err := c.trySetattr(suid, attrSize, func(*setattr) {}); err != unix.EPERM {
		t.Error(err)
	}
	for _, mode := range []uint32{unix.S_IFCHR | 0o666, unix.S_IFBLK | 0o666, unix.S_IFDIR, unix.S_IFLNK, 0o150000} {
		c.fails(unix.EPERM, msgMknod, u32(rootFid), str("x"), u32(mode), u32(1), u32(3), u32(0))
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Errorf("%v are there", left)
	}
}

func TestOwners(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/mine", nil, 0o644)
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	if uid == 0 {
		os.WriteFile(dir+"/other", nil, 0o644)
		os.Chown(dir+"/other", 1234, 5678)
	}
	c := start(t, dir, Options{Owners: AsRoot})
	mine := c.walk("mine")
	if a, err := c.stat(mine); a.uid != 0 || a.gid != 0 || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	c.setattr(mine, attrUID|attrGID, func(*setattr) {})
	if _, err := c.trySetattr(mine, attrUID, func(s *setattr) { s.uid = 7 }); err != unix.EPERM {
		t.Error(err)
	}
	if st := lstat(t, dir+"/mine"); st.Uid != uid || st.Gid != gid {
		t.Errorf("%d:%d", st.Uid, st.Gid)
	}
	other := uint32(4_000)
	c.must(c.call(msgAttach, u32(other), u32(noFid), str(""), str(""), u32(1000)))
	c.must(c.call(msgMkdir, u32(other), str("d"), u32(0o700), u32(1000)))
	if st := lstat(t, dir+"/d"); st.Uid != uid || st.Gid != gid {
		t.Errorf("%d:%d", st.Uid, st.Gid)
	}
	if uid != 0 {
		return
	}
	if a, err := c.stat(c.walk("other")); a.uid != nobody || a.gid != nobody || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	c = start(t, dir, Options{})
	if a, err := c.stat(c.walk("other")); a.uid != 1234 || a.gid != 5678 || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	c.must(c.call(msgAttach, u32(other), u32(noFid), str(""), str(""), u32(1000)))
	c.must(c.call(msgMkdir, u32(other), str("e"), u32(0o2700), u32(1001)))
	c.must(c.call(msgSymlink, u32(other), str("l"), str("x"), u32(1001)))
	for _, name := range []string{"e", "l"} {
		if st := lstat(t, filepath.Join(dir, name)); st.Uid != 1000 || st.Gid != 1001 {
			t.Errorf("%d:%d", st.Uid, st.Gid)
		}
	}
	c.setattr(c.walk("e"), attrGID, func(s *setattr) { s.gid = 77 })
	if st := lstat(t, dir+"/e"); st.Uid != 1000 || st.Gid != 77 || st.Mode != unix.S_IFDIR|0o2700 {
		t.Errorf("%d:%d, mode %o", st.Uid, st.Gid, st.Mode)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/f", nil, 0o600)
	c := start(t, dir, Options{})
	f := c.open(unix.O_RDWR, "f")
	rest := []field{u64(0), u64(10), u32(99), str("guest")}
	lock := func(fid uint32, kind uint8) []field {
		return append([]field{u32(fid), u8(kind), u32(0)}, rest...)
	}
	for kind := range uint8(3) {
		if d := c.must(c.call(msgLock, lock(f, kind)...)); d.u8() != lockSuccess {
			t.Errorf("lock %d", kind)
		}
	}
	c.fails(unix.EINVAL, msgLock, lock(f, 3)...)
	c.fails(unix.EBADF, msgLock, lock(rootFid, 0)...)
	d := c.must(c.call(msgGetlock, append([]field{u32(f), u8(1)}, rest...)...))
	if kind, from, n, pid, who := d.u8(), d.u64(), d.u64(), d.u32(), d.str(); kind != lockFree || from != 0 || n != 10 || pid != 99 || who != "guest" {
		t.Error(kind, from, n, pid, who)
	}
}

// TestOpen opens what is not to be served.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(dir+"/f", nil, 0o600)
	for name, want := range map[string]error{
		dir + "/f": unix.ENOTDIR, dir + "/missing": unix.ENOENT, "/proc": unix.EACCES, "/proc/self": unix.EACCES, "/sys/kernel": unix.EACCES,
	} {
		d, err := Open(name, Options{})
		if err == nil {
			d.Close()
		}
		if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
