package unboot

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A tree is what one FS and its Subs share: the mounts, and all descriptors
// that keep them busy.
type tree struct {
	img *Image
	dir string // where its root is mounted in the kernel's name space

	// life is held for reading by each call, and for writing to end the
	// tree: a descriptor that is closed may be another file's at once.
	life     sync.RWMutex
	dead     bool                 // guarded by life
	mounts   []Mount              // guarded by life
	problems []string             // guarded by life
	root     int                  // descriptor of the root
	subs     *subRoots            // guarded by mu: of Subs; nil if there are none
	files    map[*File]struct{}   // guarded by mu: open ones
	walkers  map[*walker]struct{} // guarded by mu: those under way
	mu       sync.Mutex
}

// begin starts a call; if it returns nil, end must follow.
func (t *tree) begin() error {
	t.life.RLock()
	if t.dead {
		t.life.RUnlock()
		return os.ErrClosed
	}
	return nil
}

func (t *tree) end() { t.life.RUnlock() }

// walks notes a walk, whose descriptors are to be closed with the tree.
func (t *tree) walks(w *walker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.walkers == nil {
		t.walkers = map[*walker]struct{}{}
	}
	t.walkers[w] = struct{}{}
}

// forget marks the tree as ended, when the kernel is gone.
func (t *tree) forget() {
	t.life.Lock()
	t.dead = true
	t.life.Unlock()
}

// unmount writes everything and unmounts. It returns nil if that has been done
// before.
func (t *tree) unmount() error {
	t.life.Lock()
	defer t.life.Unlock()
	if t.dead {
		return nil
	}
	t.dead = true
	t.img.endCommands(t)
	k := t.img.k
	mark := t.img.mark()
	wrote := slices.ContainsFunc(t.mounts, func(m Mount) bool { return !m.ReadOnly })

	t.closeFiles()
	var errs []error
	for i := len(t.mounts) - 1; i >= 0; i-- {
		errs = append(errs, t.unmountOne(i))
	}
	k.Unlinkat(unix.AT_FDCWD, t.dir, unix.AT_REMOVEDIR)
	t.img.dropTree(t)
	err := errors.Join(distinct(errs)...)
	if k.Err() == nil && (err != nil || wrote) {
		lines := t.img.logSince(mark)
		// umount(2) has no way to say that the last writes failed.
		if err == nil && len(lostWrites(lines)) > 0 {
			err = unix.EIO
		}
		if err != nil && len(lines) > 0 {
			err = &LogError{Err: err, Log: lines, line: tellingLine(lines)}
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", t.mounts[0].Device, err)
}

// closeFiles closes everything that is open in the tree. The error is that of devices to
// which not everything was written.
//
// Preconditions: life is held for writing, and dead.
func (t *tree) closeFiles() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for f := range t.files {
		if err := f.closeLocked(); f.device && err != nil {
			errs = append(errs, f.pathError("close", err))
		}
	}
	for w := range t.walkers {
		w.closeAll()
	}
	t.files, t.walkers = nil, nil
	t.closeSubs()
	return errors.Join(errs...)
}

// handOver ends the tree without unmounting its one mount, and returns where that is.
func (t *tree) handOver() (dir string) {
	t.life.Lock()
	defer t.life.Unlock()
	t.dead = true
	t.closeFiles()
	t.img.k.CloseFd(t.root)
	t.img.dropTree(t)
	return t.dir
}

// unmountOne unmounts the mount i, which is the last one that is left.
//
// Preconditions: life is held for writing.
func (t *tree) unmountOne(i int) error {
	k := t.img.k
	var errs []error
	m := t.mounts[i]
	root := k.Chroot(t.root)
	if t.img.writable && !m.ReadOnly {
		errs = append(errs, syncDir(root, m.Dir))
	}
	var err error
	if i > 0 {
		err = root.Unmount("/"+m.Dir, unix.UMOUNT_NOFOLLOW)
	} else {
		k.CloseFd(t.root)
		err = k.Unmount(t.dir, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			// Another user of the kernel has a descriptor in it. With the tree
			// gone, it cannot use the image's name space by mistake. The EBUSY is
			// returned all the same: the file system is still mounted for it.
			k.Unmount(t.dir, unix.MNT_DETACH)
		}
	}
	return errors.Join(append(errs, err)...)
}

// dropTree takes a tree off the list of those to be unmounted.
func (img *Image) dropTree(t *tree) {
	img.mu.Lock()
	defer img.mu.Unlock()
	for i, u := range img.trees {
		if u == t {
			img.trees = append(img.trees[:i:i], img.trees[i+1:]...)
			return
		}
	}
}

// lostWrites picks the lines of a log about data that did not reach the
// disk.
func lostWrites(lines []string) []string {
	var out []string
	for _, l := range lines {
		if strings.Contains(l, "I/O error") || strings.Contains(l, "lost ") && strings.Contains(l, "write") {
			out = append(out, l)
		}
	}
	return out
}

// syncDir writes everything of the file system that dir is in.
func syncDir(v *lkl.View, dir string) error {
	fd, err := v.Open("/"+dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer v.CloseFd(fd)
	return v.Syncfs(fd)
}
