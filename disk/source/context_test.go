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

// When the context of Open ends, a read in flight returns why, and so does all that comes
// later, through a format and in a backing file too.
func TestContext(t *testing.T) {
	cause := errors.New("nobody waits any more")
	dir := files(t, map[string]string{"base": strings.Repeat("x", 1<<20)})
	memory = map[string]string{"slow": strings.Repeat("x", 1<<20)}
	slowRead = make(chan struct{})
	defer func() { slowRead = nil }()
	ctx, cancel := context.WithCancelCause(context.Background())
	slow, err := withTests().Open(ctx, "mem://slow", source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	top := filepath.Join(files(t, map[string]string{"top": string(overlay(1<<20, filepath.Join(dir, "base"), "raw"))}), "top")
	chain, err := source.Open(ctx, top, source.Options{Allow: all})
	if err != nil {
		t.Fatal(err)
	}
	defer chain.Close()
	if got := content(t, chain); got[0] != 'x' {
		t.Errorf("before: %q", got[:1])
	}

	read := make(chan error)
	go func() {
		_, err := slow.ReadAt(make([]byte, 512), 8192)
		read <- err
	}()
	<-slowRead
	cancel(cause)
	if err := <-read; !errors.Is(err, cause) {
		t.Errorf("a read in flight: %v", err)
	}
	for name, d := range map[string]disk.Device{"slow": slow, "chain": chain} {
		if _, err := d.ReadAt(make([]byte, 512), 0); !errors.Is(err, cause) {
			t.Errorf("%s: a read: %v", name, err)
		}
	}
	if _, err := slow.WriteAt(make([]byte, 512), 0); !errors.Is(err, cause) {
		t.Errorf("a write: %v", err)
	}
	if err := slow.Flush(); !errors.Is(err, cause) {
		t.Errorf("a flush: %v", err)
	}
	if _, err := source.Open(ctx, top, source.Options{Allow: all}); !errors.Is(err, cause) {
		t.Errorf("an image that is opened later: %v", err)
	} else if _, ok := errors.AsType[*fs.PathError](err); !ok {
		t.Errorf("no path in %v", err)
	}
}
