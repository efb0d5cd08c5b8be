package source_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// A format and a transport that a list has been added to are as good as the others, in
// every combination.
func TestNewFormatAndTransport(t *testing.T) {
	a, b := strings.Repeat("a", 512), strings.Repeat("b", 1024)
	dir := files(t, map[string]string{
		"a": a, "b": b,
		"patches": patchwork(1536, "data file:a;raw", "data file:b;"),
		"top":     string(overlay(1536, "patches", "patchwork")),
		"mixed":   patchwork(2048, "backing file:top;qcow2", "data file:a;raw"),
	})
	r := withTests()
	known := source.Names()
	for _, name := range []string{"raw", "qcow2", "vmdk", "simg"} {
		if !slices.Contains(known, name) {
			t.Errorf("without it: formats %q", known)
		}
	}
	if got := r.Names(); !slices.Equal(got, append(known, "patchwork")) {
		t.Errorf("formats %q", got)
	}
	before := descriptors(t)
	memory = map[string]string{"raw": a, "empty": "", "qcow2": string(overlay(1024, "", ""))}
	for _, c := range []struct{ name, format, want string }{
		{dir + "/patches", "patchwork", a + b},
		{dir + "/top", "qcow2", a + b},
		{dir + "/mixed", "patchwork", a + b + a},
		{"mem://raw", "raw", a},
		{"MEM://raw", "raw", a},
		{"memory://qcow2", "qcow2", strings.Repeat("\x00", 1024)},
	} {
		d, err := r.Open(context.Background(), c.name, source.Options{Allow: all})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := content(t, d); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, len(got), len(c.want))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if got, err := r.Detect(context.Background(), c.name); err != nil || got != c.format {
			t.Errorf("%s: format %q, %v", c.name, got, err)
		}
		if info, err := r.Stat(context.Background(), c.name, source.Options{}); err != nil || info.Size != int64(len(c.want)) {
			t.Errorf("%s: %+v, %v", c.name, info, err)
		}
	}
	if _, err := r.Open(context.Background(), "mem://empty", source.Options{}); !errors.Is(err, disk.ErrEmpty) {
		t.Errorf("nothing at all: %v", err)
	}
	if after := descriptors(t); after != before || opened.Load() != 0 {
		t.Errorf("%d descriptors, then %d; %d in memory", before, after, opened.Load())
	}
	// Those who do not know the format refuse it, or take it for what it looks like.
	if _, err := source.Open(context.Background(), dir+"/top", source.Options{Allow: all}); err == nil || !strings.Contains(err.Error(), `format "patchwork"`) {
		t.Errorf("a backing file in an unknown format: %v", err)
	}
	if got, err := source.Detect(context.Background(), dir+"/patches"); err != nil || got != "raw" {
		t.Errorf("an unknown format is %q, %v", got, err)
	}
}

// An image that comes from elsewhere names no file of this host.
func TestElsewhereNamesNothingHere(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "etc/passwd", "file:/etc/passwd", "mem://raw", ""} {
		memory = map[string]string{"raw": "x", "top": patchwork(512, "data file:"+name+";raw")}
		d, err := withTests().Open(context.Background(), "mem://top", source.Options{Allow: func(r disk.Reference) error {
			t.Errorf("asked about %+v", r)
			return nil
		}})
		if err == nil {
			d.Close()
		}
		if want := fmt.Sprintf("open mem://top: the data file %q is not one that can be opened here", name); err == nil || err.Error() != want {
			t.Errorf("%q: %v", name, err)
		}
		if opened.Load() != 0 {
			t.Error("something is still open")
		}
	}
}

// A format that says what cannot be, or names itself or more files than there may be.
func TestHostileFormat(t *testing.T) {
	many := slices.Repeat([]string{"data file:a;raw"}, 300)
	dir := files(t, map[string]string{
		"a":        strings.Repeat("a", 512),
		"negative": patchwork(-1),
		"overflow": patchwork(-1 << 63),
		"huge":     patchwork(1<<63 - 1),
		"no end":   patchworkMagic + "512\n" + strings.Repeat(" ", 1000),
		"self":     patchwork(512, "data file:self;patchwork", "data file:self;"),
		"zero":     patchwork(512, "data file:a\x00b;raw"),
		"many":     patchwork(300*512, many...),
		"more":     patchwork(1<<20, slices.Repeat([]string{"data file:many;"}, 14)...),
		"wide":     patchwork(1<<20, slices.Repeat([]string{"data file:wide;"}, 40)...),
	})
	before := descriptors(t)
	for name, want := range map[string]string{
		"negative": "a disk of -1 bytes",
		"overflow": "a disk of -9223372036854775808 bytes",
		"huge":     "",
		"no end":   "without an end",
		"self":     source.ErrDepth.Error(),
		"zero":     `"a\x00b" is not one`,
		"many":     "",
		"more":     source.ErrFiles.Error(),
		"wide":     source.ErrDepth.Error(),
	} {
		d, err := withTests().Open(context.Background(), filepath.Join(dir, name), source.Options{Allow: all})
		if err == nil {
			d.Close()
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := errors.AsType[*fs.PathError](err); err != nil && !ok {
			t.Errorf("%s: no path in %v", name, err)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

// What a user calls an image: paths, and URLs of this host's files.
func TestNames(t *testing.T) {
	sector := strings.Repeat("x", 512)
	dir := files(t, map[string]string{"plain": sector, "a b%?#": sector, "file:odd": strings.Repeat("o", 512), "nbd:x": sector})
	t.Chdir(dir)
	for name, want := range map[string]string{
		"plain": "x", dir + "/plain": "x", "a b%?#": "x", "nbd:x": "x",
		"file:plain": "x", "file:" + dir + "/plain": "x", "file://" + dir + "/plain": "x", "FILE://localhost" + dir + "/plain": "x",
		"file://" + dir + "/a%20b%25%3F%23": "x",
		"file:odd":                          "o", // the file of that very name
		"./file:odd":                        "o",
	} {
		d, err := source.Open(context.Background(), name, source.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := content(t, d)[:1]; got != want {
			t.Errorf("%s: %q", name, got)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{
		"file://host" + dir + "/plain", "file:" + dir + "/plain?x", "file:" + dir + "/plain#x", "file://user@" + dir, "file:%zz",
		"file:", "file:plain%00", "plain\x00", "missing", "", "nbd://localhost", "https://localhost/x", "file:plain\n",
	} {
		d, err := source.Open(context.Background(), name, source.Options{})
		if _, ok := errors.AsType[*fs.PathError](err); !ok {
			t.Errorf("%q: %v, %v", name, d, err)
		}
	}
	if _, err := source.Open(context.Background(), "missing", source.Options{}); !errors.Is(err, os.ErrNotExist) || err.Error() != "open missing: no such file or directory" {
		t.Error(err)
	}
	if _, err := source.Open(context.Background(), "plain", source.Options{Format: "luks"}); err == nil ||
		err.Error() != fmt.Sprintf(`open plain: format "luks" is not known here (known: %s)`, strings.Join(source.Names(), ", ")) {
		t.Error(err)
	}
}
