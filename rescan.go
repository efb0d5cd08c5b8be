package unboot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Rescan looks at the disks again, after something has written to them through
// the kernel's block devices (/dev/sda, /dev/sda1): the kernel learns of
// partitions that have come, gone or changed, and [Image.Devices] of them and of
// what they hold now. Partitions in use do not stand in the way, unless it is
// they that have gone or moved: then the error wraps unix.EBUSY, and the kernel
// keeps them.
//
// A *[Device] or *[Disk] of before stays as it was. What has not changed is the
// same value afterwards.
func (img *Image) Rescan() error {
	if err := img.err(); err != nil {
		return err
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	var busy []error
	var found []*scan
	old := img.found.Load()
	for _, d := range old.disks {
		r, err := openNode(img.k, d.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
		defer r.close()
		s := &scan{diskSource: diskSource{path: d.Path}, r: r, size: d.Size, whole: d.whole, name: strings.TrimPrefix(d.Name, "/dev/")}
		s.noteMissing()
		s.readTable(d.SectorSize)
		if err := img.updatePartitions(s, r.fd); err != nil {
			if !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("%s: telling the kernel of the partitions: %w", d.Path, err)
			}
			busy = append(busy, fmt.Errorf("%s: %w", d.Path, err))
		}
		s.readContents()
		found = append(found, s)
	}
	if err := img.findDevices(found); err != nil {
		return err
	}
	return errors.Join(busy...)
}

// keep puts what is as it was before in the place of what is new.
func (l *inventory) keep(old *inventory) {
	if old == nil {
		return
	}
	for i, d := range l.disks {
		// There are no others than before.
		o := old.disks[i]
		if d.raw = o.raw; *d == *o {
			l.disks[i] = o
		}
	}
	byName := map[string]*Device{}
	for _, o := range old.devices {
		byName[o.Name] = o
	}
	for i, d := range l.devices {
		if o := byName[d.Name]; o != nil && reflect.DeepEqual(d, o) {
			l.devices[i] = o
		}
	}
}

// kernelReader reads a disk through the kernel, and its partitions by nodes of
// their own: what was written there may not have come to the disk yet.
type kernelReader struct {
	k     *lkl.Kernel
	name  string
	fd    int
	parts []*kernelReader
}

func openNode(k *lkl.Kernel, name string) (*kernelReader, error) {
	fd, err := k.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &kernelReader{k: k, name: name, fd: fd}, nil
}

func (r *kernelReader) close() {
	for _, p := range r.parts {
		p.close()
	}
	r.k.CloseFd(r.fd)
}

func (r *kernelReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.k.Pread(r.fd, p, off)
	if n = max(n, 0); err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (r *kernelReader) section(number int, start, size int64) io.ReaderAt {
	if number == 0 {
		return r
	}
	// The kernel may not have it: then the disk is all there is.
	p, err := openNode(r.k, fmt.Sprint(r.name, number))
	if err != nil {
		return io.NewSectionReader(r, start, size)
	}
	r.parts = append(r.parts, p)
	return io.NewSectionReader(p, 0, size)
}

// extent is a partition as the kernel has it, in bytes.
type extent struct{ start, size int64 }

// updatePartitions has the kernel read the table again if its partitions are not
// those of the table. fd is the disk's.
func (img *Image) updatePartitions(s *scan, fd int) error {
	have, err := img.extents(s.name)
	if err != nil {
		return err
	}
	want := map[int]extent{}
	kernelNumber := s.kernelNumbers()
	if s.table != nil {
		for i := range s.table.Partitions {
			p := &s.table.Partitions[i]
			e := extent{p.Start, p.Size}
			if p.Extended {
				// Only for boot loaders.
				e.size = min(max(1024, int64(s.table.SectorSize)), p.Size)
			}
			if n := kernelNumber[p.Number]; n != 0 {
				e.size = min(e.size, s.size-e.start)
				want[n] = e
			}
		}
	}
	same := len(have) == len(want)
	for n, e := range want {
		same = same && have[n] == e
	}
	if same {
		return nil
	}
	_, err = img.k.IoctlInt(fd, unix.BLKRRPART, 0)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	if s.table == nil {
		return nil // one of which the kernel alone knows
	}
	return img.changePartitions(s, fd, have, want)
}

// changePartitions tells the kernel of the partitions one by one, which it
// allows while others are in use.
func (img *Image) changePartitions(s *scan, fd int, have, want map[int]extent) error {
	var errs []error
	tell := func(op int32, number int, e extent) {
		if err := blkpg(img.k, fd, op, number, e); err != nil {
			errs = append(errs, fmt.Errorf("/dev/%s%d: %w", s.name, number, err))
		}
	}
	for n, h := range have {
		if w, ok := want[n]; !ok || w.start != h.start {
			tell(unix.BLKPG_DEL_PARTITION, n, h)
		}
	}
	// Those that shrink give room to those that grow or come.
	for n, w := range want {
		if h, ok := have[n]; ok && h.start == w.start && w.size < h.size {
			tell(unix.BLKPG_RESIZE_PARTITION, n, w)
		}
	}
	for n, w := range want {
		switch h, ok := have[n]; {
		case !ok || h.start != w.start:
			tell(unix.BLKPG_ADD_PARTITION, n, w)
		case w.size > h.size:
			tell(unix.BLKPG_RESIZE_PARTITION, n, w)
		}
	}
	return errors.Join(errs...)
}

// extents returns the kernel's partitions of a disk by their numbers.
func (img *Image) extents(name string) (map[int]extent, error) {
	nodes, err := img.partitions()
	if err != nil {
		return nil, err
	}
	list := map[int]extent{}
	for _, n := range nodes[name] {
		var e extent
		if e.start, err = img.sysfs(name, n.name, "start"); err != nil {
			return nil, err
		}
		if e.size, err = img.sysfs(name, n.name, "size"); err != nil {
			return nil, err
		}
		list[n.number] = e
	}
	return list, nil
}

// blkpg makes the ioctl BLKPG, of linux/blkpg.h.
func blkpg(k *lkl.Kernel, fd int, op int32, number int, e extent) error {
	b, err := k.Alloc(152)
	if err != nil {
		return err
	}
	defer b.Free()
	clear(b.Bytes())
	binary.NativeEndian.PutUint64(b.Bytes(), uint64(e.start))
	binary.NativeEndian.PutUint64(b.Bytes()[8:], uint64(e.size))
	binary.NativeEndian.PutUint32(b.Bytes()[16:], uint32(number))
	var arg bytes.Buffer
	binary.Write(&arg, binary.NativeEndian, struct {
		Op, Flags, Len, _ int32
		Data              uint64
	}{Op: op, Len: 152, Data: b.Addr()})
	_, err = k.Ioctl(fd, unix.BLKPG, arg.Bytes())
	return err
}
