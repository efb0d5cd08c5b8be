package qcow2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// withData returns an image that has something.
func withData(t *testing.T, options string, size int64) string {
	t.Helper()
	testimg.Need(t, "qemu-img", "qemu-io")
	image := filepath.Join(t.TempDir(), "image")
	create(t, image, options, size)
	testimg.MustRun(t, "qemu-io", "-f", "qcow2", "-c", "write -P 1 64k 300k", image)
	return image
}

// Snapshots of both sides are listed as qemu-img lists them.
func TestSnapshotList(t *testing.T) {
	image := withData(t, "", 1<<20)
	testimg.MustRun(t, "qemu-img", "snapshot", "-c", "from qemu", image)
	m, err := openWritable(image)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Unix(1234567890, 123456789)
	made, err := m.CreateSnapshot(disk.Snapshot{Name: "früh", Date: date})
	if err != nil || made.ID != "2" || made.Name != "früh" || !made.Date.Equal(date) || made.Size != 1<<20 {
		t.Errorf("%+v, %v", made, err)
	}
	if err := m.Resize(2 << 20); err != nil {
		t.Error(err)
	}
	if made, err = m.CreateSnapshot(disk.Snapshot{Name: "later"}); err != nil || made.Size != 2<<20 || time.Since(made.Date) > time.Minute {
		t.Errorf("%+v, %v", made, err)
	}
	list, err := m.Snapshots()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	var info struct {
		Snapshots []struct {
			ID, Name  string
			Sec       int64 `json:"date-sec"`
			Nsec      int64 `json:"date-nsec"`
			VMSize    int64 `json:"vm-state-size"`
			ClockSec  int64 `json:"vm-clock-sec"`
			ClockNsec int64 `json:"vm-clock-nsec"`
		}
	}
	if err := json.Unmarshal([]byte(testimg.MustRun(t, "qemu-img", "info", "--output=json", image)), &info); err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || len(info.Snapshots) != 3 {
		t.Fatalf("%+v, and QEMU lists %+v", list, info)
	}
	for i, want := range info.Snapshots {
		got := list[i]
		if got.ID != want.ID || got.Name != want.Name || got.Date.Unix() != want.Sec || int64(got.Date.Nanosecond()) != want.Nsec ||
			got.VMStateSize != want.VMSize || int64(got.VMClock) != want.ClockSec*1e9+want.ClockNsec {
			t.Errorf("%+v, and QEMU lists %+v", got, want)
		}
	}
}

// A name that several have, or none, is refused, and so is what is no name.
func TestSnapshotNames(t *testing.T) {
	image := withData(t, "", 1<<20)
	for _, name := range []string{"a", "b", "a"} {
		testimg.MustRun(t, "qemu-img", "snapshot", "-c", name, image)
	}
	m, err := openWritable(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "none", "4", ""} {
		for _, err := range []error{m.ApplySnapshot(name), m.DeleteSnapshot(name)} {
			if p, ok := errors.AsType[*fs.PathError](err); !ok || p.Path != image || errors.Is(err, disk.ErrNoSnapshot) == (name == "a") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	for _, name := range []string{"", "a", strings.Repeat("x", 256), "a\x00b"} {
		if _, err := m.CreateSnapshot(disk.Snapshot{Name: name}); err == nil || errors.Is(err, fs.ErrExist) != (name == "a") {
			t.Errorf("create %q: %v", name, err)
		}
	}
	if err := m.DeleteSnapshot("3"); err != nil {
		t.Error(err)
	}
	if err := m.DeleteSnapshot("a"); err != nil {
		t.Error(err)
	}
	if list, err := m.Snapshots(); err != nil || len(list) != 1 || list[0].Name != "b" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	testimg.MustRun(t, "qemu-img", "check", "-q", image)
	if _, err := openFile(image, Options{Snapshot: "a"}); !errors.Is(err, disk.ErrNoSnapshot) {
		t.Error(err)
	}
	if m, err = openFile(image, Options{Snapshot: "b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt(make([]byte, 512), 0); err == nil || disk.Writable(m) {
		t.Error("a snapshot is written to")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// Where there would be more references than a count can say, and in a damaged image, nothing
// is changed.
func TestSnapshotRefused(t *testing.T) {
	for _, bits := range []int{1, 2, 4} {
		image := withData(t, fmt.Sprint("refcount_bits=", bits), 1<<20)
		m, err := openWritable(image)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < 1<<bits-1; n++ {
			if _, err := m.CreateSnapshot(disk.Snapshot{Name: fmt.Sprint(n)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Flush(); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.CreateSnapshot(disk.Snapshot{Name: "last"})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("refcount_bits=%d", bits)) {
			t.Errorf("%d bits: %v", bits, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if after, err := os.ReadFile(image); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%d bits: the image was changed, %v", bits, err)
		}
	}
	image := withData(t, "", 1<<20)
	testimg.MustRun(t, "qemu-img", "snapshot", "-c", "s", image)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{b: b}
	m, err := New(rec, "image", Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	// The count of a cluster that the snapshot has too.
	if err := m.w.setCount(5, 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Flush(); err != nil {
		t.Fatal(err)
	}
	n := len(rec.log)
	if err := m.DeleteSnapshot("s"); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "repair") {
		t.Error(err)
	}
	if slices.ContainsFunc(rec.log[n:], func(r record) bool { return r.data != nil }) {
		t.Error("a damaged image was changed")
	}
}

// What snapshots of a hostile image say is an error, or bounded.
func TestSnapshotDamage(t *testing.T) {
	for what, damage := range map[string]func(b *builder, table int){
		"the table is inside a cluster":       func(b *builder, table int) { b.put(64, uint64(table+8)) },
		"the table is past the end":           func(b *builder, table int) { b.put(64, 1<<40) },
		"there are too many":                  func(b *builder, table int) { be.PutUint32(b.b[60:], 1<<31) },
		"there are more than the table has":   func(b *builder, table int) { be.PutUint32(b.b[60:], 2) },
		"the L1 table is too long":            func(b *builder, table int) { be.PutUint32(b.b[table+8:], 1<<30) },
		"the L1 table is inside a cluster":    func(b *builder, table int) { b.put(table, testL1+8) },
		"the L1 table is past the end":        func(b *builder, table int) { b.put(table, 1<<30) },
		"the disk is larger than it can be":   func(b *builder, table int) { b.put(table+48, 1<<63-1<<9+1<<62) },
		"there is too much extra data":        func(b *builder, table int) { be.PutUint32(b.b[table+36:], 1<<31) },
		"the name goes past the end":          func(b *builder, table int) { be.PutUint16(b.b[table+14:], 1<<15) },
		"the entry goes past the end":         func(b *builder, table int) { b.b = b.b[:table+20] },
		"the L2 table is not where it can be": func(b *builder, table int) { b.put(testL1, 1<<40) },
	} {
		b := newImage(20)
		b.data(0, 'a')
		table := b.snapshot("s")
		damage(b, table)
		m, err := New(memory(b.b), "image", Options{Snapshot: "s"})
		if err == nil {
			_, err = m.ReadAt(make([]byte, 512), 0)
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	b := newImage(20)
	b.data(0, 'a')
	b.snapshot("s")
	m, err := New(memory(b.b), "image", Options{Snapshot: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, m); len(got) != 20*512 || got[0] != 'a' || got[512] != 0 {
		t.Error("what is not damaged differs")
	}
}

// snapshot adds a snapshot, which has the tables of the disk, and returns where its entry is.
func (b *builder) snapshot(name string) int {
	table := len(b.b)
	b.b = append(b.b, encodeSnapshots([]snapshot{{
		id: "1", name: name, l1Offset: testL1, l1Size: 1,
		extra: be.AppendUint64(make([]byte, 8), uint64(b.clusters)*512),
	}})...)
	be.PutUint32(b.b[60:], 1)
	b.put(64, uint64(table))
	return table
}

const killedSnapshots = "UNBOOT_KILLED_SNAPSHOTS"

// TestKilledSnapshots is the process that TestSnapshotKill kills. The first block of each
// snapshot has its name.
func TestKilledSnapshots(t *testing.T) {
	image := os.Getenv(killedSnapshots)
	if image == "" {
		t.Skip("TestSnapshotKill starts it")
	}
	m, err := openWritable(image)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(time.Now().UnixNano()); ; n++ {
		for range 4 {
			if _, err := m.WriteAt(bytes.Repeat([]byte{byte(n)}, 5000), 8192+rand.Int64N(3<<20)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.WriteAt(be.AppendUint64(make([]byte, 0, 512), n)[:512], 0); err != nil {
			t.Fatal(err)
		}
		_, err := m.CreateSnapshot(disk.Snapshot{Name: fmt.Sprint(n)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("made", n)
		list, err := m.Snapshots()
		if err != nil {
			t.Fatal(err)
		}
		name := list[rand.IntN(len(list))].Name
		switch {
		case rand.IntN(2) == 0:
			err = m.ApplySnapshot(name)
		case len(list) > 3:
			err = m.DeleteSnapshot(name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is killed while it changes snapshots leaves an image without errors.
// UNBOOT_PROGRAMS is how many are.
func TestSnapshotKill(t *testing.T) {
	for i := range testimg.Count(t, 4) {
		image := withData(t, []string{"", "cluster_size=512", "compat=0.10", "extended_l2=on,refcount_bits=8"}[i%4], 4<<20)
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilledSnapshots$")
			cmd.Env = append(os.Environ(), killedSnapshots+"="+image)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			go func() { new(bytes.Buffer).ReadFrom(out) }()
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
			cmd.Process.Kill()
			cmd.Wait()
			snapshotsKilled(t, image)
			if t.Failed() {
				return
			}
		}
	}
}

// snapshotsKilled looks at what a process has left.
func snapshotsKilled(t *testing.T, image string) {
	t.Helper()
	raw, err := disk.OpenRaw(image, disk.Options{AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Check(raw, image, disk.RepairNothing); err != nil || r.Errors != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	raw.Close()
	testimg.MustRun(t, "qemu-img", "check", "-q", "-r", "leaks", "-f", "qcow2", image)
	m, err := openFile(image, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	readAll(t, m)
	list, err := m.Snapshots()
	if err != nil || len(list) == 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for _, s := range list {
		old, err := openFile(image, Options{Snapshot: s.Name})
		if err != nil {
			t.Fatal(err)
		}
		if n := be.Uint64(readAll(t, old)); strconv.FormatUint(n, 10) != s.Name {
			t.Errorf("snapshot %s has %d", s.Name, n)
		}
		old.Close()
	}
}
