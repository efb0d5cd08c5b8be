package unboot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Rescan looks at the disks again, after something has written to them through
// the kernel's block devices ([Device.Open]): the kernel learns of
// partitions that have come, gone or changed, and [Image.Devices] of them and of
// what they hold now. Partitions in use do not stand in the way, unless it is
// they that have gone or moved: then the error wraps unix.EBUSY, and the kernel
// and the image keep them as they were. So it is with all devices of a disk whose partition
// table cannot be read any more, which is an error too; other disks are looked at all the
// same.
//
// An earlier *[Device] or *[Disk] stays as it was. A device that has not changed is the
// same value afterwards.
func (img *Image) Rescan() error {
	if err := img.err(); err != nil {
		return err
	}
	img.mountMu.Lock()
	defer img.mountMu.Unlock()
	return img.rescan(img.keys)
}

// rescan is Rescan by other keys than those of the image.
//
// Preconditions: mountMu is held.
func (img *Image) rescan(keys []keySource) error {
	var errs []error
	var found []*scan
	for _, d := range img.found.Load().disks {
		s := &scan{diskSource: diskSource{path: d.Path}, size: d.Size, whole: d.whole, name: strings.TrimPrefix(d.Name, "/dev/")}
		closeAll, err := img.rescanDisk(s, d)
		defer closeAll()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Path, err))
			s.stays = len(s.busy) == 0
		}
		found = append(found, s)
	}
	if err := img.findDevices(img.ctx, found, keys); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// rescanDisk looks at a disk that was d. The scan can be asked for more until closeAll is
// called.
func (img *Image) rescanDisk(s *scan, d *Disk) (closeAll func(), err error) {
	var files []*File
	open := func(name string) (*File, error) {
		f, err := img.OpenNode(name, unix.O_RDONLY)
		if err == nil {
			files = append(files, f)
		}
		return f, err
	}
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	node, err := open(d.Name)
	if err != nil {
		return closeAll, err
	}
	r := &faultReader{r: node}
	s.r = r
	s.open = func(number int) io.ReaderAt {
		if f, err := open(d.Name + strconv.Itoa(number)); err == nil {
			return f
		}
		return nil
	}
	if s.whole != 0 {
		s.size = s.whole // by which the table was read when the disk was opened
	}
	s.readTable(d.SectorSize)
	s.size = d.Size
	if s.table == nil && d.Table != "" && r.err != nil {
		// An error does not show that the table has gone.
		return closeAll, fmt.Errorf("reading the partition table: %w", r.err)
	}
	err = img.updatePartitions(s, node)
	if err == nil || len(s.busy) > 0 {
		s.readContents()
		s.noteMissing()
	}
	return closeAll, err
}

// faultReader keeps the first error of a reader, apart from its end.
type faultReader struct {
	r   io.ReaderAt
	err error
}

func (f *faultReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	if err != nil && err != io.EOF && f.err == nil {
		f.err = err
	}
	return n, err
}

// updatePartitions has the kernel's partitions of a disk become those of its table. Those
// that it has to keep because they are in use are noted in s.busy, and an error.
func (img *Image) updatePartitions(s *scan, disk *File) error {
	have, err := img.extents(s.name)
	if err != nil {
		return fmt.Errorf("reading the kernel's partitions: %w", err)
	}
	steps := reconcile(have, s.extents())
	if len(steps) == 0 {
		return nil
	}
	// The kernel reads the table by itself only while no partition is in use.
	_, err = img.k.IoctlInt(disk.Fd(), unix.BLKRRPART, 0)
	if err == nil || s.table == nil && errors.Is(err, unix.EBUSY) {
		return nil // with EBUSY, a table of which the kernel alone knows
	}
	if !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("telling the kernel of the partitions: %w", err)
	}
	var errs []error
	for _, c := range steps {
		if s.busy[c.number] {
			continue
		}
		err := blkpg(img.k, disk.Fd(), c.op, c.number, c.extent)
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("/dev/%s%d: %w", s.name, c.number, err))
		if s.busy == nil {
			s.busy = map[int]bool{}
		}
		s.busy[c.number] = true
	}
	return errors.Join(errs...)
}

// extents returns the partitions of the table as the kernel is to have them, by its
// numbers.
func (s *scan) extents() map[int]extent {
	list := map[int]extent{}
	if s.table == nil {
		return list
	}
	numbers := s.kernelNumbers()
	for i := range s.table.Partitions {
		p := &s.table.Partitions[i]
		e := extent{p.Start, p.Size}
		if p.Extended {
			// Only for boot loaders.
			e.size = min(max(1024, int64(s.table.SectorSize)), p.Size)
		}
		if n := numbers[p.Number]; n != 0 {
			e.size = min(e.size, s.size-e.start)
			list[n] = e
		}
	}
	return list
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
