package part

import (
	"errors"
	"fmt"
	"io"
)

// Write is something to write to the disk.
type Write struct {
	Off  int64 // bytes from the start of the disk, a multiple of the sector size
	Data []byte
}

// Plan returns what [Editor.Commit] writes, in steps. The error wraps [ErrLayout] if it
// would overwrite a partition.
//
// If it is interrupted, the disk has a table all the same: the old one, or the new one. A
// GPT's backup is written first, then the primary: whichever of them is damaged at the
// time, the other one is whole. The sectors that describe an MBR table's logical
// partitions are written from the last to the first, and then the MBR, so that nothing
// is linked to before it is there. Only a table of [New] begins with wiping the old one.
func (e *Editor) Plan() ([][]Write, error) {
	steps, err := e.s.plan()
	if err != nil {
		return nil, err
	}
	if e.fresh {
		steps = append([][]Write{e.wipe()}, steps...)
	}
	return steps, nil
}

const (
	wipeHead = 24 << 10 // bytes: the MBR, and a GPT with sectors of either size
	wipeTail = 20 << 10 // its backup
)

// wipe overwrites every place where a table may be, of either kind and either size of
// sectors. An old GPT's backup would otherwise come back to life in a tool that repairs.
func (e *Editor) wipe() []Write {
	end := e.d.size / e.d.sector * e.d.sector
	head := min(wipeHead, end)
	list := []Write{{0, make([]byte, head)}}
	if tail := min(wipeTail, end-head); tail > 0 {
		list = append(list, Write{end - tail, make([]byte, tail)})
	}
	return list
}

// Commit writes the table. The writes are those of [Editor.Plan]. If w has a method
// Flush or Sync, it is called after each step. More changes can be made and committed
// afterwards, also if it failed.
func (e *Editor) Commit(w io.WriterAt) error {
	steps, err := e.Plan()
	if err != nil {
		return err
	}
	for _, step := range steps {
		for _, s := range step {
			if _, err := w.WriteAt(s.Data, s.Off); err != nil {
				return fmt.Errorf("write the partition table: %w", err)
			}
		}
		if err := flush(w); err != nil {
			return fmt.Errorf("write the partition table: %w", err)
		}
	}
	e.fresh = false
	e.s.committed()
	// A new table was never read from the disk: later changes start from what was
	// written.
	if o, ok := e.d.r.(*overlay); ok {
		o.steps = append(o.steps, steps...)
	} else if e.d.r == nil {
		e.d.r = &overlay{nil, e.d.size, steps}
	}
	return nil
}

func flush(w io.WriterAt) error {
	switch f := w.(type) {
	case interface{ Flush() error }:
		return f.Flush()
	case interface{ Sync() error }:
		return f.Sync()
	}
	return nil
}

// Table returns the table as [Read] will read it after [Editor.Commit].
func (e *Editor) Table() (*Table, error) {
	steps, err := e.Plan()
	if err != nil {
		return nil, err
	}
	return Read(&overlay{e.d.r, e.d.size, steps}, e.d.size, int(e.d.sector))
}

// overlay is a disk after something has been written to it.
type overlay struct {
	r     io.ReaderAt // or nil, for zeros
	size  int64
	steps [][]Write
}

func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.size {
		return 0, io.EOF
	}
	var end error
	if left := o.size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	clear(p)
	if o.r != nil {
		if n, err := o.r.ReadAt(p, off); n < len(p) && err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	for _, step := range o.steps {
		for _, w := range step {
			if from, to := max(off, w.Off), min(off+int64(len(p)), w.Off+int64(len(w.Data))); from < to {
				copy(p[from-off:to-off], w.Data[from-w.Off:])
			}
		}
	}
	return len(p), end
}
