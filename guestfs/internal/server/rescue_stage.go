package server

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect/fstab"
	"github.com/unboot/unboot/lkl"
)

// A stage is a directory of the kernel that has the mounted trees once more, for the rescue
// shell, which has a copy of it that is of the same peer group: the kernel makes every mount in
// it, and every end of one, in both. See mount_namespaces(7). There, programs of the guest can
// be executed, which they cannot where the server sees the tree.
type stage struct {
	k    *lkl.Kernel // nil without a stage
	root int         // descriptor of the directory, below all that is mounted on it
	now  []staged    // what is mounted there of the server's trees
}

// staged is a mount of a tree.
type staged struct {
	tree *unboot.FS
	m    unboot.Mount
}

// stageDir is its path in the kernel.
const stageDir = treePlace

// build makes the stage.
func (st *stage) build(k *lkl.Kernel) (err error) {
	if err = k.Mkdirat(unix.AT_FDCWD, stageDir, 0o755); err == nil {
		err = k.Mount("none", stageDir, "tmpfs", 0, "mode=0755")
	}
	if err == nil {
		err = k.Mount("", stageDir, "", unix.MS_SHARED, "")
	}
	if err == nil {
		st.root, err = k.Open(stageDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "mount", Path: stageDir, Err: err}
	}
	st.k = k
	return nil
}

// open is the Open of an [unboot.CmdMount].
func (st *stage) open(k *lkl.Kernel) (fd int, release func() error, err error) {
	fd, err = k.OpenTree(st.root, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	return fd, nil, err
}

// follow has the stage show what is mounted in trees, the last of which lies on top.
func (st *stage) follow(trees []*unboot.FS) error {
	if st.k == nil {
		return nil
	}
	var list []staged
	for _, f := range trees {
		for _, m := range f.Mounts() {
			list = append(list, staged{f, m})
		}
	}
	if len(list) < len(st.now) || !slices.EqualFunc(list[:len(st.now)], st.now, staged.same) {
		if err := st.clear(unix.MNT_DETACH); err != nil {
			return err
		}
	}
	for _, s := range list[len(st.now):] {
		if err := st.add(s); err != nil {
			return &fs.PathError{Op: "mount", Path: s.m.Dir, Err: err}
		}
		st.now = append(st.now, s)
	}
	return nil
}

func (s staged) same(o staged) bool {
	return s.tree == o.tree && s.m.Device == o.m.Device && s.m.Dir == o.m.Dir
}

// add mounts what a mount of a tree shows.
func (st *stage) add(s staged) error {
	fd, err := s.tree.View().OpenTree(unix.AT_FDCWD, guestPath(s.m.Dir), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer st.k.CloseFd(fd)
	allow := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSUID}
	if err := st.k.MountSetattr(fd, "", unix.AT_EMPTY_PATH, allow); err != nil {
		return err
	}
	on, err := st.k.Open(stageDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil && s.m.Dir != "." {
		top := on
		on, err = st.k.Chroot(top).Open(guestPath(s.m.Dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		st.k.CloseFd(top)
	}
	if err != nil {
		return err
	}
	defer st.k.CloseFd(on)
	return st.k.MoveMount(fd, "", on, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// mounts returns the directories on which something is mounted, in the order of mounting.
func (st *stage) mounts() ([]string, error) {
	if st.k == nil {
		return nil, nil
	}
	text, err := st.k.ReadFile("/proc/self/mountinfo", 1<<24)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: "/proc/self/mountinfo", Err: err}
	}
	list := mountsBelow(text, stageDir)
	return list[min(1, len(list)):], nil // the first is the stage
}

// clear unmounts all that is mounted on the stage, whoever has, with flags of umount2(2): it
// stops at what the shell uses unless that is MNT_DETACH.
func (st *stage) clear(flags int) error {
	list, err := st.mounts()
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(list) {
		err := st.k.Unmount(dir, unix.UMOUNT_NOFOLLOW|flags)
		// With MNT_DETACH, what lies on others goes with them.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "umount", Path: dir, Err: err}
		}
	}
	st.now = nil
	return nil
}

// sync makes stable what was written to what is mounted there, and reports what was lost.
func (st *stage) sync() error {
	list, err := st.mounts()
	errs := []error{err}
	for _, dir := range list {
		fd, err := st.k.Open(dir, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // not there any more, or no file system that could lose something
		}
		if err := st.k.Syncfs(fd); err != nil {
			errs = append(errs, &fs.PathError{Op: "sync", Path: dir, Err: err})
		}
		st.k.CloseFd(fd)
	}
	return errors.Join(errs...)
}

// mountsBelow returns the mount points that are dir or lie below it, from the text of
// proc_pid_mountinfo(5).
func mountsBelow(mountinfo []byte, dir string) (list []string) {
	for line := range bytes.Lines(mountinfo) {
		f := bytes.Fields(line)
		if len(f) < 5 {
			continue
		}
		at := fstab.Unescape(string(f[4]))
		if at == dir || strings.HasPrefix(at, dir+"/") {
			list = append(list, at)
		}
	}
	return list
}

// prepareRescue makes what the rescue shell needs of the kernel. It is gone before the image
// is closed, which unmounts what it has mounted itself.
func (s *Server) prepareRescue(img *unboot.Image) error {
	if s.rescue == nil {
		return nil
	}
	s.store.onSync(s.rescue.stage.sync)
	s.store.onClose(func() error { return s.rescue.stage.clear(unix.MNT_DETACH) })
	return s.rescue.stage.build(img.Kernel())
}

// clearStage unmounts what the rescue shell sees of the trees, before these are unmounted. They
// are busy if it uses them.
func (s *Server) clearStage() error {
	if s.rescue == nil {
		return nil
	}
	err := s.rescue.stage.clear(0)
	var busy *fs.PathError
	if errors.As(err, &busy) && busy.Err == unix.EBUSY {
		return perrorText(err, "umount: %s: target is busy.", busy.Path)
	}
	return err
}
