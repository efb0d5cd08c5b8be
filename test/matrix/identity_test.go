package matrix

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// identities are whose calls TestIdentity makes. The tree belongs to 1000:1000.
var identities = []lkl.Identity{
	{Umask: 0o022},
	{UID: 1000, GID: 1000, Umask: 0o022},
	{UID: 1000, GID: 2000, Umask: 0o077},
	{UID: 2000, GID: 1000},
	{UID: 2000, GID: 2000, Groups: []uint32{3000, 1000}, Umask: 0o027},
	{UID: 2000, GID: 2000, Groups: []uint32{3000}, Umask: 0o002},
	{UID: 2000, GID: 3000},
	{GID: 2000, Groups: []uint32{5}},
}

// prepareIdentity makes what the calls are tried on.
func prepareIdentity(s sys, root string) error {
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	for _, mode := range []uint32{0o700, 0o070, 0o007, 0o750, 0o755, 0o777, 0o1777, 0o2777, 0o2775} {
		dir := fmt.Sprintf("%s/d%o", root, mode)
		do(s.Mkdirat(unix.AT_FDCWD, dir, 0o777))
		for _, f := range []uint32{0o600, 0o060, 0o006, 0o640, 0o4755, 0o2755, 0o666} {
			name := fmt.Sprintf("%s/f%o", dir, f)
			fd, err := s.Open(name, unix.O_CREAT|unix.O_RDWR, 0o666)
			do(err)
			_, err = s.Write(fd, []byte("content\n"))
			do(err)
			do(s.CloseFd(fd))
			do(s.Fchownat(unix.AT_FDCWD, name, 1000, 1000, 0))
			do(s.Fchmodat(unix.AT_FDCWD, name, f, 0))
			do(s.Lsetxattr(name, "user.mine", []byte("x"), 0))
		}
		do(s.Fchownat(unix.AT_FDCWD, dir, 1000, 1000, 0))
		do(s.Fchmodat(unix.AT_FDCWD, dir, mode, 0))
	}
	// A directory whose default ACL stands in for the umask: u::rwx, u:3000:rwx,
	// g::r-x, mask rwx, o::---
	acl := "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xb8\x0b\x00\x00" +
		"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	do(s.Mkdirat(unix.AT_FDCWD, root+"/acl", 0o777))
	do(s.Fchmodat(unix.AT_FDCWD, root+"/acl", 0o777, 0))
	do(s.Lsetxattr(root+"/acl", "system.posix_acl_default", []byte(acl), 0))
	return errors.Join(errs...)
}

// attempts makes calls that the identity may be refused, and says how each ended.
func attempts(s sys, root string, n int) (log []string) {
	say := func(format string, args ...any) {
		for i, a := range args {
			var errno unix.Errno
			if err, ok := a.(error); ok && errors.As(err, &errno) {
				args[i] = errno // the words around it are not what is compared
			}
		}
		log = append(log, fmt.Sprintf(format, args...))
	}
	made := func(name string) {
		st, err := s.stat(name)
		say("%s is %o of %d:%d, %v", strings.TrimPrefix(name, root), st.Mode, st.Uid, st.Gid, err)
	}
	dirs := []string{"acl", "d700", "d70", "d7", "d750", "d755", "d777", "d1777", "d2777", "d2775"}
	for _, d := range dirs {
		dir := root + "/" + d
		fresh := fmt.Sprintf("%s/new%d", dir, n)
		fd, err := s.Open(fresh, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o6777)
		say("%s: create: %v", d, err)
		if err == nil {
			s.CloseFd(fd)
			made(fresh)
		}
		say("%s: mkdir: %v", d, s.Mkdirat(unix.AT_FDCWD, fresh+"d", 0o777))
		made(fresh + "d")
		say("%s: mknod: %v", d, s.Mknodat(unix.AT_FDCWD, fresh+"c", unix.S_IFCHR|0o666, 259))
		say("%s: fifo: %v", d, s.Mknodat(unix.AT_FDCWD, fresh+"p", unix.S_IFIFO|0o666, 0))
		made(fresh + "p")
		say("%s: symlink: %v", d, s.Symlinkat("x", unix.AT_FDCWD, fresh+"l"))
		say("%s: list: %v", d, s.list(dir, func(string, *unix.Statx_t) {}))
		for _, f := range []string{"f600", "f60", "f6", "f640", "f4755", "f2755", "f666"} {
			name := dir + "/" + f
			for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR | unix.O_TRUNC} {
				fd, err := s.Open(name, flags, 0)
				say("%s/%s: open %x: %v", d, f, flags, err)
				if err == nil {
					if flags == unix.O_WRONLY { // takes setuid and setgid away
						_, err = s.Pwrite(fd, []byte("c"), 0)
						say("%s/%s: write: %v", d, f, err)
					}
					s.CloseFd(fd)
				}
			}
			made(name)
			say("%s/%s: chmod: %v", d, f, s.Fchmodat(unix.AT_FDCWD, name, 0o2711, 0))
			say("%s/%s: chown: %v", d, f, s.Fchownat(unix.AT_FDCWD, name, 2000, -1, 0))
			say("%s/%s: chgrp: %v", d, f, s.Fchownat(unix.AT_FDCWD, name, -1, 3000, 0))
			made(name)
			say("%s/%s: setxattr: %v", d, f, s.Lsetxattr(name, "user.mine", []byte("y"), 0))
			say("%s/%s: trusted: %v", d, f, s.Lsetxattr(name, "trusted.mine", []byte("y"), 0))
			_, err := s.Lgetxattr(name, "user.mine", make([]byte, 10))
			say("%s/%s: getxattr: %v", d, f, err)
			say("%s/%s: utimes: %v", d, f, s.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{{Sec: 1}, {Sec: 2}}, 0))
			say("%s/%s: link: %v", d, f, s.Linkat(unix.AT_FDCWD, name, unix.AT_FDCWD, fmt.Sprintf("%s/%s-%s-%d", root, d, f, n), 0))
		}
		say("%s: rename: %v", d, s.Renameat2(unix.AT_FDCWD, dir+"/f600", unix.AT_FDCWD, dir+"/renamed", 0))
		say("%s: unlink: %v", d, s.Unlinkat(unix.AT_FDCWD, dir+"/f666", 0))
		say("%s: rmdir: %v", d, s.Unlinkat(unix.AT_FDCWD, fresh+"d", unix.AT_REMOVEDIR))
	}
	return log
}

// TestIdentity makes calls as other users, and compares how each of them ends, and
// what it leaves, with what a process of the host meets on the same file system.
func TestIdentity(t *testing.T) {
	if as := os.Getenv("TEST_IDENTITY"); as != "" {
		identityChild(t, as)
		return
	}
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			for i, id := range identities {
				w := writable{fstype: fstype, options: testimg.Options{Size: 320 << 20}}
				images := w.images(t)
				var got, want []string
				w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
					rig.Check(t, "prepare", prepareIdentity(ours{&k.View}, dir))
					v, err := k.As(id)
					rig.Check(t, "as", err)
					got = attempts(ours{v}, dir, i)
					// Nothing of it stays behind.
					r := &runner{t: t, s: ours{&k.View}, root: dir}
					r.file("root", nil)
					if st, err := r.s.stat(dir + "/root"); err != nil || st.Uid != 0 || st.Gid != 0 || st.Mode&0o777 != 0o644 {
						t.Errorf("root's file afterwards: %+v, %v", st, err)
					}
				})
				err := onHost(t, w.images(t)[0], fstype, "", func(dir string) {
					rig.Check(t, "prepare", prepareIdentity(theirs{}, dir))
					want = onHostAs(t, i, dir)
				})
				if errors.As(err, new(*testimg.Missing)) {
					t.Skip(err)
				}
				rig.Check(t, "host", err)
				if len(got) != len(want) {
					t.Errorf("%+v: %d results, the host's has %d", id, len(got), len(want))
				}
				bad := 0
				for j := range min(len(got), len(want)) {
					if got[j] != want[j] && bad < 10 {
						bad++
						t.Errorf("%+v:\n ours: %s\nhost's: %s", id, got[j], want[j])
					}
				}
			}
		})
	}
}

// onHostAs has a child of the test take the identity and make the calls.
func onHostAs(t *testing.T, i int, dir string) []string {
	t.Helper()
	rig.Check(t, "chmod", os.Chmod(dir+"/..", 0o755))
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdentity$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("TEST_IDENTITY=%d %s", i, dir))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	_, list, _ := strings.Cut(string(out), "BEGIN\n")
	list, _, _ = strings.Cut(list, "END\n")
	return strings.Split(strings.TrimSuffix(list, "\n"), "\n")
}

func identityChild(t *testing.T, as string) {
	var i int
	var dir string
	fmt.Sscan(as, &i, &dir)
	id := identities[i]
	groups := []int{}
	for _, g := range id.Groups {
		groups = append(groups, int(g))
	}
	rig.Check(t, "chdir", os.Chdir(dir)) // what is above may not be for everybody
	// The syscall package sets them for all threads.
	rig.Check(t, "setgroups", syscall.Setgroups(groups))
	rig.Check(t, "setresgid", syscall.Setresgid(int(id.GID), int(id.GID), int(id.GID)))
	rig.Check(t, "setresuid", syscall.Setresuid(int(id.UID), int(id.UID), int(id.UID)))
	unix.Umask(int(id.Umask))
	fmt.Println("BEGIN\n" + strings.Join(attempts(theirs{}, ".", i), "\n") + "\nEND")
}
