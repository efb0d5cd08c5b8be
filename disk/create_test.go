package disk

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

func TestCreateRaw(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.img")
	r, err := CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != 0 {
		t.Errorf("a new file has %d bytes", r.Size())
	}
	for _, off := range []int64{4096, 0} {
		if _, err := r.WriteAt([]byte("unboot"), off); err != nil {
			t.Fatal(err)
		}
		if r.Size() != 4102 {
			t.Errorf("after a write at %d, it has %d bytes", off, r.Size())
		}
	}
	if _, err := OpenRaw(path, Options{Writable: true, AnyFormat: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("the new file is not locked: %v", err)
	}
	if _, err := CreateRaw(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
}
