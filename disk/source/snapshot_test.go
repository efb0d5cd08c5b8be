package source_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// An image is opened as it was in a snapshot, for reading, over the backing file that it has
// now. A format without snapshots says so.
func TestSnapshot(t *testing.T) {
	dir := files(t, map[string]string{"base": strings.Repeat("b", 4096)})
	path := filepath.Join(dir, "top")
	raw, err := disk.CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Known().Format("qcow2").Create(raw, path, disk.CreateOptions{Size: 4096, Backing: "base", BackingFormat: "raw"}); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	open := func(o source.Options) disk.Device {
		t.Helper()
		o.Allow = all
		d, err := source.Open(context.Background(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open(source.Options{Writable: true})
	s, ok := disk.As[disk.Snapshotter](d)
	if !ok {
		t.Fatal("qcow2 has no snapshots")
	}
	for _, name := range []string{"first", "second"} {
		if _, err := s.CreateSnapshot(disk.Snapshot{Name: name}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt([]byte(strings.Repeat(name[:1], 512)), 512); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b := strings.Repeat("b", 512)
	for snapshot, sector := range map[string]string{"": strings.Repeat("s", 512), "first": b, "2": strings.Repeat("f", 512)} {
		d := open(source.Options{Snapshot: snapshot})
		if got := content(t, d); got != b+sector+strings.Repeat(b, 6) {
			t.Errorf("snapshot %q has %.600q", snapshot, got)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name string
		o    source.Options
		want string
	}{
		{"top", source.Options{Snapshot: "third"}, "no such snapshot"},
		{"top", source.Options{Snapshot: "first", Writable: true}, "only be read"},
		{"base", source.Options{Snapshot: "first"}, "images in raw format have none"},
	} {
		c.o.Allow = all
		_, err := source.Open(context.Background(), filepath.Join(dir, c.name), c.o)
		if _, ok := errors.AsType[*fs.PathError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %+v: %v", c.name, c.o, err)
		}
	}
}
