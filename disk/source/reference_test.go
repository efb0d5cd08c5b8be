package source_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// Nothing that an image names is opened unless the caller wants it.
func TestNotAllowed(t *testing.T) {
	dir := files(t, map[string]string{"a": string(overlay(1024, "/etc/shadow", "raw"))})
	image := filepath.Join(dir, "a")
	_, err := source.Open(context.Background(), image, source.Options{})
	e, ok := errors.AsType[*disk.NotAllowedError](err)
	if !ok || !errors.Is(err, disk.ErrNotAllowed) || !strings.Contains(err.Error(), `"/etc/shadow"`) {
		t.Fatal(err)
	}
	want := disk.Reference{Role: "backing file", Image: image, Name: "/etc/shadow", Path: "/etc/shadow", Format: "raw", Depth: 1}
	if e.Reference != want {
		t.Errorf("%+v", e.Reference)
	}
	for _, why := range []error{disk.ErrNotAllowed, errors.New("refused")} {
		var asked disk.Reference
		_, err := source.Open(context.Background(), image, source.Options{Allow: func(r disk.Reference) error { asked = r; return why }})
		if !errors.Is(err, why) || asked != want {
			t.Error(err, asked)
		}
	}
	// Its own statements are reported, and nothing is opened for them.
	info, err := source.Stat(context.Background(), image, source.Options{})
	if err != nil || info.Format != "qcow2" || info.Size != 1024 || len(info.References) != 1 || info.References[0] != want {
		t.Errorf("%+v, %v", info, err)
	}
}

// Backing files whose format is not said, not known, or wrong; names that are none of a
// file; and that all is closed.
func TestFollow(t *testing.T) {
	sector := strings.Repeat("x", 512)
	dir := files(t, map[string]string{
		"base": string(overlay(512, "bottom", "raw")), "bottom": sector, "empty": "",
		"gzip": "\x1f\x8b\x08" + sector, "old": "QFI\xfb\x00\x00\x00\x01" + sector,
	})
	if err := os.Symlink("bottom", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for _, c := range []struct {
		name, format string
		want         string // the first byte, or a part of the error
	}{
		{"base", "qcow2", "x"},
		{"base", "", "x"},
		{"base", "raw", "Q"},
		{"link", "raw", "x"},
		{"file:" + dir + "/base", "qcow2", "x"},
		{"empty", "raw", "\x00"},
		{"empty", "", "\x00"},
		{"gzip", "raw", "\x1f"},
		{"empty", "qcow2", disk.ErrEmpty.Error()},
		{"gzip", "", "damaged compressed image"},
		{"old", "", "damaged qcow image"},
		{"bottom", "qcow2", "not a qcow2 image"},
		{"base", "luks", `format "luks"`},
		{"missing", "raw", "no such file"},
		{"mis\nsing", "raw", "no such file"},
		{"fifo", "raw", "not a disk image"},
		{".", "", "is a directory"},
		{"nbd://host/x", "raw", `"nbd://host/x" is not one`},
		{"mem://x", "raw", `"mem://x" is not one`},
		{`json:{"driver":"file"}`, "raw", "is not one"},
	} {
		top := filepath.Join(dir, "top")
		if err := os.WriteFile(top, overlay(512, c.name, c.format), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := withTests().Open(context.Background(), top, source.Options{Allow: all})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %q: %v", c.name, c.format, err)
			}
			continue
		}
		p := make([]byte, 1)
		if _, err := d.ReadAt(p, 0); err != nil || string(p) != c.want {
			t.Errorf("%q, %q: %q, %v", c.name, c.format, p, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// A chain that runs in a circle ends, as does one of a thousand files, and all files are
// closed. One that is as long as it may be is read.
func TestCircle(t *testing.T) {
	contents := map[string]string{
		"self": string(overlay(512, "self", "qcow2")),
		"a":    string(overlay(512, "./b", "")), "b": string(overlay(512, "../a/../a", "")),
		"0": strings.Repeat("0", 512),
	}
	for i := 1; i <= 1000; i++ {
		contents[fmt.Sprint(i)] = string(overlay(512, fmt.Sprint(i-1), ""))
	}
	dir := files(t, contents)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	for name, want := range map[string]error{
		"self": source.ErrDepth, "1000": source.ErrDepth, fmt.Sprint(source.MaxDepth + 1): source.ErrDepth, "200": nil,
	} {
		d, err := source.Open(context.Background(), filepath.Join(dir, name), source.Options{Allow: all})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if got := content(t, d); got != contents["0"] {
				t.Errorf("%s: %q", name, got)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	b := filepath.Join(dir, "b")
	if err := os.WriteFile(b, overlay(512, "sub/../a", ""), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(context.Background(), b, source.Options{Allow: all}); !errors.Is(err, source.ErrDepth) {
		t.Errorf("a circle of two: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// A disk that looks like an image is a disk: a raw image in a qcow2 one is not opened a
// second time.
func TestLookedAtOnce(t *testing.T) {
	inner := string(overlay(1<<20, "/etc/shadow", "raw"))
	dir := files(t, map[string]string{"inner": inner, "outer": string(overlay(int64(len(inner)), "inner", "raw"))})
	var asked []string
	d, err := source.Open(context.Background(), filepath.Join(dir, "outer"), source.Options{Allow: func(r disk.Reference) error {
		asked = append(asked, r.Name)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := content(t, d); got != inner || len(asked) != 1 {
		t.Errorf("%d bytes, asked for %q", len(got), asked)
	}
}
