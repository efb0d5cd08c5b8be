package split_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/source"
)

// A disk is opened by its first part, with leave, and the part alone as a raw disk.
func TestParts(t *testing.T) {
	ctx := context.Background()
	content := imgtest.Content(1<<20+1000, 4)
	files := map[string][]byte{"other.001": content}
	for i := range 11 {
		files[fmt.Sprintf("i:m.%03d", i+1)] = content[i*100000 : min((i+1)*100000, len(content))]
	}
	files["i:m.013"] = content
	dir := imgtest.Write(t, files)
	image := filepath.Join(dir, "i:m.001")
	imgtest.Same(t, imgtest.Open(t, "", image, false), content)
	imgtest.Same(t, imgtest.Open(t, "split", image, false), content)
	if _, err := source.Open(ctx, image, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
		t.Error(err)
	}
	info, err := source.Stat(ctx, image, source.Options{})
	if err != nil || info.Format != "split" || info.Size != int64(len(content)) || len(info.References) != 10 || info.References[9].Path != dir+"/./i:m.011" {
		t.Errorf("%+v, %v", info, err)
	}
	for name, format := range map[string]string{image: "raw", filepath.Join(dir, "other.001"): "", filepath.Join(dir, "i:m.002"): ""} {
		d, err := source.Open(ctx, name, source.Options{Format: format, Writable: true})
		want := int64(100000)
		if filepath.Base(name) == "other.001" {
			want = int64(len(content))
		}
		if err != nil || d.Size() != want {
			t.Fatal(name, err)
		}
		d.Close()
	}
	if _, err := source.Open(ctx, image, source.Options{Writable: true}); err == nil {
		t.Error("it can be written to")
	}
	// A part that has shrunk is an error, and not zeros.
	d := imgtest.Open(t, "", image, false)
	defer d.Close()
	if err := os.Truncate(filepath.Join(dir, "i:m.002"), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadAt(make([]byte, 512), 150000); err == nil {
		t.Error("what is not there is read")
	}
}
