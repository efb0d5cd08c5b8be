package vmdk

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zlib"

	"github.com/unboot/unboot/disk"
)

const (
	streamGrain = newGrain * sectorSize
	// maxWaiting is how many bytes of compressed grains wait for those before them.
	maxWaiting = 32 << 20
)

// createStream writes the header and the descriptor of a streamOptimized image, whose
// grain directory is found by the footer, in the end.
func createStream(d disk.Device, sectors int64) error {
	h := streamHeader(sectors)
	b := make([]byte, h.overhead*sectorSize)
	copy(b[sectorSize:], newDescriptor(kindStream, sectors, noParent, ""))
	h.footer = true
	copy(b, h.marshal())
	_, err := d.WriteAt(b, 0)
	return err
}

func streamHeader(sectors int64) *sparseHeader {
	return &sparseHeader{version: 3, flags: flagNewlines | flagCompressed | flagMarkers, capacity: sectors, grain: newGrain,
		descriptor: 1, descSize: newDesc, entries: newEntries, overhead: newGrain, compressed: true}
}

// A Stream is a streamOptimized image that has been created and has no grains yet. It is a
// [disk.Device] that is only written to, and a [disk.CompressedWriter], which is the same.
//
// The format wants the grains in the order of the disk, each grain table after its grains,
// and at the end the directory and the footer, so that it can be read from a pipe. So whole
// grains are written, from the start of the disk to the end; what is left out is zeros, and
// so are grains of zeros. As several goroutines may write at a time, a grain waits for those
// before it until 32 MiB of them wait; one that comes when a later one has been
// written is an error that wraps syscall.ESPIPE.
//
// Close writes what the format has at the end. Until then the file is not an image: opening
// it is an error that says so.
type Stream struct {
	path string
	file disk.Device
	head *sparseHeader

	mu        sync.Mutex // guards what follows
	waiting   map[int64][]byte
	order     numbers // the keys of waiting
	bytes     int64   // of those that wait
	at        int64   // where in the file the next grain is
	first     int64   // the first grain that has not been passed
	table     []byte
	tableNo   int64 // of which number in the directory
	directory []byte
	err       error // of an earlier write, after which there is no image any more
}

// newStream returns the stream that a file begins, if it is one that has just been created.
func newStream(d disk.Device, path string) *Stream {
	h, started, err := readSparseHeader(d, d.Size())
	if err != nil || !started || h.grain != newGrain || h.entries != newEntries || h.flags != streamHeader(0).flags {
		return nil
	}
	perTable := int64(newGrain * newEntries)
	return &Stream{path: path, file: d, head: h, waiting: map[int64][]byte{}, at: h.overhead * sectorSize,
		tableNo: -1, directory: make([]byte, (h.capacity+perTable-1)/perTable*4)}
}

// Size returns the size of the disk in bytes.
func (s *Stream) Size() int64 { return s.head.capacity * sectorSize }

// Writable reports that it can be written to.
func (s *Stream) Writable() bool { return true }

// ReadAt fails: the image can be read when it has been closed.
func (s *Stream) ReadAt([]byte, int64) (int, error) {
	return 0, s.wrap("read", fmt.Errorf("a %s image is not read while it is written: %w", kindStream, syscall.EBADF))
}

// CompressUnit returns the size of a grain in bytes.
func (s *Stream) CompressUnit() int64 { return streamGrain }

// WriteAt is WriteCompressed.
func (s *Stream) WriteAt(p []byte, off int64) (int, error) {
	if err := s.WriteCompressed(p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteCompressed writes whole grains, of which only the last of the disk may be shorter.
// The compression is done at once by all who call it.
func (s *Stream) WriteCompressed(p []byte, off int64) error {
	size := s.Size()
	if off < 0 || off > size || int64(len(p)) > size-off || off%streamGrain != 0 || len(p)%streamGrain != 0 && off+int64(len(p)) != size {
		return s.wrap("write", fmt.Errorf("%d bytes at %d are not whole grains of %d: %w", len(p), off, streamGrain, syscall.EINVAL))
	}
	for len(p) > 0 {
		n := min(len(p), streamGrain)
		grain, number := p[:n], off/streamGrain
		var data []byte
		if len(bytes.TrimLeft(grain, "\x00")) > 0 {
			var err error
			if data, err = compressGrain(grain, number); err != nil {
				return s.wrap("write", err)
			}
		}
		if err := s.add(number, data); err != nil {
			return s.wrap("write", err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

var deflates = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// compressGrain returns the marker of a grain, its data, and zeros up to the end of the
// sector.
func compressGrain(grain []byte, number int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(grain) / 2)
	b.Write(make([]byte, markerSize))
	z := deflates.Get().(*zlib.Writer)
	defer deflates.Put(z)
	z.Reset(&b)
	if len(grain) < streamGrain {
		// The last grain is whole as well: VMware reads no others.
		grain = append(bytes.Clone(grain), make([]byte, streamGrain-len(grain))...)
	}
	_, err := z.Write(grain)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	le.PutUint64(b.Bytes(), uint64(number*newGrain))
	le.PutUint32(b.Bytes()[8:], uint32(b.Len()-markerSize))
	b.Write(make([]byte, -b.Len()&(sectorSize-1)))
	return b.Bytes(), nil
}

// add takes a grain, which is nil for one of zeros, and writes those whose turn it is.
func (s *Stream) add(number int64, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if _, ok := s.waiting[number]; ok || number < s.first {
		return fmt.Errorf("grains of a %s image are written once, in their order: the one at %d comes late: %w",
			kindStream, number*streamGrain, syscall.ESPIPE)
	}
	if data == nil {
		return nil
	}
	s.waiting[number] = data
	heap.Push(&s.order, number)
	s.bytes += int64(len(data))
	s.err = s.drain(maxWaiting)
	return s.err
}

// numbers are those of grains, of which the first is the least: a [heap.Interface].
type numbers []int64

func (n numbers) Len() int           { return len(n) }
func (n numbers) Less(i, j int) bool { return n[i] < n[j] }
func (n numbers) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *numbers) Push(x any)        { *n = append(*n, x.(int64)) }

func (n *numbers) Pop() any {
	last := len(*n) - 1
	x := (*n)[last]
	*n = (*n)[:last]
	return x
}

// drain writes the grains that follow what has been written, and the first ones of the
// others until up to limit bytes wait. The caller holds mu.
func (s *Stream) drain(limit int64) error {
	for {
		number := s.first
		data, ok := s.waiting[number]
		if !ok {
			if s.bytes <= limit || len(s.waiting) == 0 {
				return nil
			}
			number = s.order[0]
			data = s.waiting[number]
		}
		if err := s.write(number, data); err != nil {
			return err
		}
		heap.Pop(&s.order)
		delete(s.waiting, number)
		s.bytes -= int64(len(data))
		s.first = number + 1
	}
}

// write writes a grain. The caller holds mu.
func (s *Stream) write(number int64, data []byte) error {
	if table := number / newEntries; table != s.tableNo {
		if err := s.endTable(); err != nil {
			return err
		}
		s.tableNo, s.table = table, make([]byte, newEntries*4)
	}
	le.PutUint32(s.table[number%newEntries*4:], uint32(s.at/sectorSize))
	return s.append(data)
}

// append writes whole sectors.
func (s *Stream) append(b []byte) error {
	if (s.at+int64(len(b)))/sectorSize > maxSector {
		return fmt.Errorf("the file would have more than %d sectors: %w", int64(maxSector), syscall.EFBIG)
	}
	_, err := s.file.WriteAt(b, s.at)
	s.at += int64(len(b))
	return err
}

// marker returns the sector before what is not a grain, and has so many sectors.
func marker(sectors int64, kind uint32) []byte {
	b := make([]byte, sectorSize)
	le.PutUint64(b, uint64(sectors))
	le.PutUint32(b[12:], kind)
	return b
}

// endTable writes a grain table after its grains.
func (s *Stream) endTable() error {
	if s.table == nil {
		return nil
	}
	le.PutUint32(s.directory[s.tableNo*4:], uint32(s.at/sectorSize)+1)
	table := s.table
	s.table = nil
	return s.append(append(marker(int64(len(table)/sectorSize), markerTable), table...))
}

// finish writes what the format has at the end.
func (s *Stream) finish() error {
	if s.err != nil {
		return s.err
	}
	if err := s.drain(-1); err != nil {
		return err
	}
	if err := s.endTable(); err != nil {
		return err
	}
	directory := s.directory
	directory = append(directory, make([]byte, max(-len(directory)&(sectorSize-1), sectorSize-len(directory)))...)
	footer := *s.head
	footer.footer = false
	footer.directory = s.at/sectorSize + 1
	end := append(marker(int64(len(directory)/sectorSize), markerDirectory), directory...)
	end = append(append(end, marker(1, markerFooter)...), footer.marshal()...)
	if err := s.append(append(end, marker(0, markerEnd)...)); err != nil {
		return err
	}
	return s.file.Flush()
}

// Flush makes stable the grains that have been written to the file. It does not make the
// file an image, which only Close does.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.wrap("flush", s.err)
	}
	if err := s.file.Flush(); err != nil {
		return s.wrap("flush", err)
	}
	return nil
}

// Close writes the rest of the image, makes it stable, and closes the file.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.finish()
	if err != nil {
		err = s.wrap("close", err)
	}
	s.err = errors.New("it is closed")
	return errors.Join(err, s.file.Close())
}

func (s *Stream) wrap(op string, err error) error { return (&Image{path: s.path}).wrap(op, err) }

// StartWriting has the host begin to write what it caches of the file, see
// [disk.WritebackStarter].
func (s *Stream) StartWriting() { disk.StartWriting(s.file) }
