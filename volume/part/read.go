package part

import (
	"errors"
	"fmt"
	"io"
)

// headSize covers the MBR, and GPT's header and usual 128 entries with sectors of
// 512 bytes (17 KiB) and of 4096 (24 KiB).
const headSize = 24 << 10

// disk is where a table is read from.
type disk struct {
	r      io.ReaderAt
	size   int64
	sector int64 // bytes
	head   []byte
}

// sectors returns the size of the disk in whole sectors.
func (d *disk) sectors() uint64 { return uint64(d.size / d.sector) }

// read returns n bytes at off. It fails if they are not all there. Most of a table is in
// the head, which is in memory already: a disk behind a network costs one read.
func (d *disk) read(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || off > d.size-int64(n) {
		return nil, io.ErrUnexpectedEOF
	}
	if off+int64(n) <= int64(len(d.head)) {
		return d.head[off : off+int64(n)], nil
	}
	buf := make([]byte, n)
	if got, err := d.r.ReadAt(buf, off); got < n {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return buf, nil
}

// readLBA is read for a number that a table has for a sector.
func (d *disk) readLBA(lba uint64, n int) ([]byte, error) {
	if lba >= d.sectors() {
		return nil, io.ErrUnexpectedEOF
	}
	return d.read(int64(lba)*d.sector, n)
}

// readHead reads the first sectors.
func (d *disk) readHead() error {
	buf := make([]byte, max(0, min(d.size, headSize)))
	n, err := d.r.ReadAt(buf, 0)
	// A disk with a bad sector in its first KiB may still have a good MBR.
	if n < len(buf) && err != nil && !errors.Is(err, io.EOF) && n < 512 {
		return fmt.Errorf("read the partition table: %w", err)
	}
	d.head = buf[:n]
	return nil
}

// Read reads the partition table of a disk of size bytes. The sector size is 512
// or 4096, or 0 to have it found out ([DetectSectorSize]). If the table is a GPT for
// the other size, it is read as such and said so in the problems: a kernel that
// takes the disk to have sectors of the given size does not find it.
//
// The error is [ErrNoTable] or one of r.
func Read(r io.ReaderAt, size int64, sectorSize int) (*Table, error) {
	d := &disk{r: r, size: size}
	if err := d.readHead(); err != nil {
		return nil, err
	}
	// The size that is detected wins over the one that was given: a table that is read
	// with the wrong unit shows partitions in places where there are none.
	detected, found := d.detect()
	switch sectorSize {
	case 0:
		sectorSize = detected
	case 512, 4096:
	default:
		return nil, fmt.Errorf("sectors of %d bytes: only 512 and 4096 are known", sectorSize)
	}
	var problem string
	if found && detected != sectorSize {
		problem = fmt.Sprintf("the table is for sectors of %d bytes, not %d", detected, sectorSize)
		sectorSize = detected
	}
	d.sector = int64(sectorSize)

	mbr := d.parseMBR()
	t, err := d.table(mbr, found)
	if err != nil {
		return nil, err
	}
	t.SectorSize = sectorSize
	t.check(size)
	if problem != "" && t.Type == "gpt" { // the first that one wants to know
		t.Problems = append([]string{problem}, t.Problems[:min(len(t.Problems), maxProblems-1)]...)
	}
	return t, nil
}

// table decides between the two kinds.
func (d *disk) table(mbr *mbr, maybeGPT bool) (*Table, error) {
	if mbr == nil && !maybeGPT {
		return nil, ErrNoTable
	}
	protective := mbr != nil && mbr.protective()
	if protective || maybeGPT {
		t, err := d.readGPT()
		switch {
		case err == nil && protective:
			if mbr.hybrid() {
				t.problem("the MBR has partitions of its own beside the GPT (hybrid MBR): systems may disagree about what there is")
			}
			return t, nil
		case err == nil && (mbr == nil || mbr.empty()):
			t.Unannounced = true
			t.problem("there is no protective MBR: Linux ignores the GPT")
			return t, nil
		case err == nil:
			// An old MBR tool was used on a GPT disk.
			t := d.readDOS(mbr)
			t.problem("there is a GPT too, but the MBR does not say so: it is ignored")
			return t, nil
		case mbr == nil:
			return nil, ErrNoTable
		}
		t = d.readDOS(mbr)
		if protective {
			t.problem("the GPT that the MBR announces is missing or damaged: %v", err)
		}
		return t, nil
	}
	return d.readDOS(mbr), nil
}
