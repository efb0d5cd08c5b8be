package unboot

import (
	"io"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/btrfsreceive"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// ReceiveOptions says how [FS.ReceiveSubvolumes] reads.
type ReceiveOptions struct {
	// OneStream stops after the end of the first stream, and reads nothing beyond it.
	OneStream bool
}

// ReceiveSubvolumes makes the subvolumes that streams of btrfs-send(8) describe, or of
// [FS.SendSubvolume], in a directory of a btrfs: up to the end of r, in version 1 or 2 and
// with compressed data too. They are read-only, and know which subvolume they were received
// from. One that a stream is the difference to must be on the same file system, anywhere.
//
// It returns the names of the subvolumes that are complete. After an error the one that was
// being made is left incomplete, and is to be deleted. What a stream says changes nothing
// outside of the subvolumes that it makes. Errors wrap io.ErrUnexpectedEOF for a stream
// that is cut off, and are *fs.PathError of dir.
func (f *FS) ReceiveSubvolumes(r io.Reader, dir string, o ReceiveOptions) (names []string, err error) {
	err = f.onBtrfs("receive", dir, func(b btrfs.FS) error {
		k := f.t.img.k
		b.View = &k.View
		device, err := b.Device()
		if err != nil {
			return err
		}
		names, err = btrfsreceive.Receive(btrfsreceive.Target{
			Kernel: k, Dir: b, OneStream: o.OneStream,
			Open: func(id uint64) (int, error) { return f.t.img.openSubvolume(device, id) },
		}, r)
		return err
	})
	return names, err
}

// subvolumeMounts numbers the directories of openSubvolume.
var subvolumeMounts atomic.Uint64

// openSubvolume opens the root directory of a subvolume of a btrfs that is mounted, wherever
// it lies. It has a mount of its own, which ends when the descriptor is closed.
func (img *Image) openSubvolume(device string, id uint64) (fd int, err error) {
	dir := "/mnt/subvolume-" + strconv.FormatUint(subvolumeMounts.Add(1), 10)
	if err := img.k.Mkdirat(unix.AT_FDCWD, dir, 0o700); err != nil {
		return -1, err
	}
	defer img.k.Unlinkat(unix.AT_FDCWD, dir, unix.AT_REMOVEDIR)
	if err := img.k.Mount(device, dir, "btrfs", mountFlags(false), "subvolid="+strconv.FormatUint(id, 10)); err != nil {
		return -1, err
	}
	defer img.k.Unmount(dir, unix.MNT_DETACH)
	return img.k.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}
