package pages

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
)

// counted counts how often it is read, and fails if it is told to.
type counted struct {
	r     io.ReaderAt
	mu    sync.Mutex
	reads int
	err   error
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.err != nil {
		return 0, c.err
	}
	return c.r.ReadAt(p, off)
}

func TestTable(t *testing.T) {
	file := make([]byte, 10*512+100)
	for i := range file {
		file[i] = byte(i / 512)
	}
	c := &counted{r: bytes.NewReader(file)}
	table := New(c, 512, 4*512)
	get := func(off int64, n int) []byte {
		t.Helper()
		b, err := table.Bytes(off, n)
		if err != nil {
			t.Fatal(off, err)
		}
		return b
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { table.Get(512) })
	}
	wg.Wait()
	if get(512, 1)[0] != 1 || c.reads != 1 {
		t.Errorf("read %d times", c.reads)
	}
	for i := range int64(10) {
		get(i*512+8, 4)
	}
	if len(table.pages) != 4 || table.lru.Len() != 4 {
		t.Errorf("%d and %d pages are kept", len(table.pages), table.lru.Len())
	}
	if _, err := table.Bytes(10*512+98, 4); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	if _, err := table.Bytes(20*512, 4); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}

	// What was changed is kept whatever else is read.
	for _, off := range []int64{10 * 512, 0} {
		b, err := table.EditBytes(off+4, 4)
		if err != nil {
			t.Fatal(err)
		}
		copy(b, "edit")
	}
	for i := range int64(10) {
		get(i*512+8, 4)
	}
	if string(get(4, 4)) != "edit" || string(get(10*512+4, 4)) != "edit" || get(511, 1)[0] != 0 {
		t.Error("changes are lost")
	}
	if d := table.Dirty(); !slices.Equal(d, []int64{0, 10 * 512}) || table.Changed() != 2 {
		t.Error(d)
	}
	if len(get(10*512, 512)) != 512 {
		t.Error("a changed page is not whole")
	}
	table.Clean()
	reads := c.reads
	if string(get(4, 4)) != "edit" || table.Changed() != 0 || c.reads != reads {
		t.Error("what was changed is not kept")
	}
	table.Set(4, 2)
	if get(4, 1)[0] != 0 || c.reads != reads+1 {
		t.Error("what others have written is not seen")
	}

	c.err = errors.New("broken")
	if _, err := table.Get(7 * 512); err != c.err {
		t.Error(err)
	}
	if _, err := table.Edit(7 * 512); err != c.err || table.Changed() != 0 {
		t.Error(err)
	}
	c.err = nil
	get(7*512, 1) // an error is not kept
}
