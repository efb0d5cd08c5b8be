package vhdx

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
)

// What is wrong with an image is found, and repaired where it can be.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		damage        func(b *builder)
		errors, leaks int64
		left          int64 // errors and leaks after a repair
		problem       string
	}{
		"nothing":              {func(b *builder) {}, 0, 0, 0, ""},
		"a header":             {func(b *builder) { b.put(headerAt1+3000, []byte("x")) }, 1, 0, 0, "the header at 65536"},
		"the other header":     {func(b *builder) { b.put(headerAt2, []byte("x")) }, 1, 0, 0, "header at 131072"},
		"a region table":       {func(b *builder) { b.put(regionsAt1+60000, []byte("x")) }, 1, 0, 0, "the region table at 196608"},
		"the other table":      {func(b *builder) { b.put(regionsAt2, []byte("x")) }, 1, 0, 0, "region table at 262144"},
		"a log":                {func(b *builder) { dirty(b) }, 1, 0, 0, "the log has changes"},
		"a log with one fault": {func(b *builder) { dirty(b); b.put(headerAt1, []byte("x")) }, 2, 0, 0, "the log has changes"},
		"two in one place":     {func(b *builder) { b.state(1, statePresent, testBlocks) }, 1, 0, 1, "block 1 is at 4194304, where"},
		"on a table":           {func(b *builder) { b.state(1, statePresent, testBAT) }, 1, 0, 1, "block 1 is at 3145728, where"},
		"past the end":         {func(b *builder) { b.state(1, statePresent, 100*mib) }, 1, 0, 1, "block 1 ends at"},
		"no state":             {func(b *builder) { b.state(1, 4, testBlocks) }, 1, 0, 1, "block 1 is in the state 4"},
		"room at the end":      {func(b *builder) { b.put(b.end+3*mib-1, []byte{0}) }, 0, 3, 0, "for 3 blocks"},
		"room between":         {func(b *builder) { b.end += 2 * mib; b.data(1, statePresent, []byte{1}) }, 0, 2, 2, "for 2 blocks"},
	} {
		b := newImage(3*mib, mib, 512, nil)
		b.data(0, statePresent, bytes.Repeat([]byte{'x'}, mib))
		c.damage(b)
		before := b.Clone()
		got, err := Check(b.Disk, "image", disk.RepairNothing)
		if err != nil || got.Errors != c.errors || got.Leaks != c.leaks || !strings.Contains(fmt.Sprint(got.Problems), c.problem) || got.ErrorsFixed+got.LeaksFixed != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if !before.Equal(b.Disk) {
			t.Errorf("%s: Check has changed something", name)
		}
		b.ReadOnly = false
		got, err = Check(b.Disk, "image", disk.RepairAll)
		if err != nil || got.Errors-got.ErrorsFixed+got.Leaks-got.LeaksFixed != c.left {
			t.Errorf("%s: repair: %+v, %v", name, got, err)
		}
		if got, err = Check(b.Disk, "image", disk.RepairNothing); err != nil || got.Errors+got.Leaks != c.left {
			t.Errorf("%s: after repair: %+v, %v", name, got, err)
		}
		b.ReadOnly = true
		m := mustNew(t, b.Disk, nil)
		p := make([]byte, 1)
		if _, err := m.ReadAt(p, 0); err != nil || p[0] != 'x' && !strings.Contains(name, "log") {
			t.Errorf("%s: %q, %v", name, p, err)
		}
	}
}

// dirty gives an image a log that says that block 0 is zeros.
func dirty(b *builder) {
	b.headers(3, logID)
	b.put(testLog, logEntry(3, logID, 0, b.end, b.end, testBAT, sectorOf(b, stateUnmapped|testBlocks)))
}

// An image with a log that was not replayed has it replayed when it is opened for writing,
// before anything else is done, and is then one without.
func TestReplay(t *testing.T) {
	b := newImage(3*mib, mib, 512, nil)
	b.data(0, statePresent, bytes.Repeat([]byte{'x'}, mib))
	dirty(b)
	b.ReadOnly = false
	m := mustNew(t, b.Disk, nil)
	if m.header.logGUID != (GUID{}) {
		t.Error("the log is not empty")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	b.ReadOnly = true
	m = mustNew(t, b.Disk, nil)
	if got := testdisk.ReadAll(t, m); got[0] != 0 || m.replayed {
		t.Errorf("%q, %v", got[0], m.replayed)
	}
}

// An image with two things in one place is not written to.
func TestOverlap(t *testing.T) {
	b := newImage(3*mib, mib, 512, nil)
	b.data(0, statePresent, bytes.Repeat([]byte{'x'}, mib))
	b.state(1, statePresent, testBlocks)
	b.ReadOnly = false
	before := b.Clone()
	m := mustNew(t, b.Disk, nil)
	if _, err := m.WriteAt(make([]byte, 512), 2*mib); err == nil || !strings.Contains(err.Error(), "write image: damaged VHDX image: block 1 is at 4194304") {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if !before.Equal(b.Disk) {
		t.Error("it has changed")
	}
}

// The data is stable before the log, and the log before the tables; places of blocks
// that were discarded are used again, after they were flushed.
func TestFlushOrder(t *testing.T) {
	b := newImage(8*mib, mib, 512, nil)
	b.ReadOnly = false
	m := mustNew(t, b.Disk, nil)
	b.Record = true
	step := func(want string) {
		t.Helper()
		got := b.Words(func(off int64) string {
			switch {
			case off < mib:
				return "header"
			case off < testMetadata:
				return "log"
			case off < testBlocks:
				return "table"
			}
			return "data"
		})
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	write := func(block int64) {
		t.Helper()
		if _, err := m.WriteAt(bytes.Repeat([]byte{9}, 512), block*mib); err != nil {
			t.Fatal(err)
		}
	}
	flush := func() {
		t.Helper()
		if err := m.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	const headers = "header flush header flush"
	write(3)
	write(1)
	step(headers + " data data")
	flush()
	step("flush log flush " + headers + " table flush")
	flush()
	step("")
	write(3)
	flush()
	step("data flush")
	if err := m.Discard(3*mib, mib); err != nil {
		t.Fatal(err)
	}
	write(2) // not in the place of 3
	flush()
	step("data flush log flush table flush")
	size := b.Size()
	write(4) // there
	if b.Size() != size {
		t.Errorf("%d bytes, not %d", b.Size(), size)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	step("data data flush log flush table flush " + headers)
}
