package desttree

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/fsctl"
	"github.com/unboot/unboot/internal/fsctl/xfs"
)

// A Kind is what matters of a file system for writing a tree to it. A tree may
// have several mounted.
type Kind struct {
	// NoOwners and NoXattrs are for what nobody expects to be kept: it goes
	// without a word.
	NoOwners, NoXattrs bool
	fold               fold
	// unsteady says that inode numbers are made up as they are asked for:
	// a file has another one the next time.
	unsteady bool
}

// fold says in which directories names that differ in case or form are one.
type fold uint8

const (
	foldNever fold = iota
	foldFlag       // in those with the flag of chattr +F
	foldAll
)

// Magic numbers of statfs(2) that package unix has no name for.
const (
	magicHFS     = 0x4244
	magicHFSPlus = 0x482b
	magicNTFS3   = 0x7366746e
	magicHPFS    = 0xf995e849
)

// kind returns the kind of the file system that a file is in.
func (t *Tree) kind(p string, e *unboot.Entry) *Kind {
	dev := unix.Mkdev(e.Stat.Dev_major, e.Stat.Dev_minor)
	if k := t.kinds[dev]; k != nil {
		return k
	}
	k := &Kind{}
	t.kinds[dev] = k
	st, err := t.fs.Statfs(p)
	if err != nil {
		return k
	}
	switch uint32(st.Type) {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC:
		*k = Kind{NoOwners: true, NoXattrs: true, fold: foldAll, unsteady: true}
	case magicHFS:
		*k = Kind{NoOwners: true, NoXattrs: true, fold: foldAll}
	case magicHFSPlus:
		*k = Kind{NoXattrs: true, fold: foldAll}
	case unix.AFFS_SUPER_MAGIC, magicHPFS:
		k.fold = foldAll
	case unix.EXT4_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC:
		k.fold = foldFlag
	case magicNTFS3:
		for _, m := range t.fs.Mounts() {
			for opt := range strings.SplitSeq(m.Data, ",") {
				if opt == "nocase" {
					k.fold = foldAll
				}
			}
		}
	case unix.XFS_SUPER_MAGIC:
		if xfsFolds(t.fs, p) {
			k.fold = foldAll
		}
	}
	return k
}

// foldsIn reports whether names fold in a directory.
func (k *Kind) foldsIn(fsys *unboot.FS, dir string) (bool, error) {
	if k.fold != foldFlag {
		return k.fold == foldAll, nil
	}
	var flags fsctl.Flags
	err := withDir(fsys, dir, func(f fsctl.File) (err error) {
		flags, err = f.Flags()
		return err
	})
	return flags&fsctl.FlagCaseFold != 0, err
}

// xfsFolds reports whether an XFS was made with -n version=ci.
func xfsFolds(fsys *unboot.FS, dir string) bool {
	folds := false
	err := withDir(fsys, dir, func(f fsctl.File) error {
		g, err := xfs.FS(f).Geometry()
		if err == nil {
			folds = g.Has(xfs.DirCI)
		}
		return err
	})
	return err == nil && folds
}

// withDir makes ioctls on a directory.
func withDir(fsys *unboot.FS, dir string, do func(f fsctl.File) error) error {
	fd, err := fsys.View().Open("/"+dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = do(fsctl.File{View: fsys.View(), FD: fd})
		fsys.View().CloseFd(fd)
	}
	return err
}

// inode names a file of a file system with steady inode numbers.
func inode(e *unboot.Entry) string {
	return fmt.Sprintf("//%d:%d/%d", e.Stat.Dev_major, e.Stat.Dev_minor, e.Stat.Ino)
}
