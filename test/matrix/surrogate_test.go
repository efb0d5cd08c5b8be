package matrix

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestSurrogates: halves of surrogate pairs in names of UTF-16 are shown as three
// bytes, by which the files can be opened and made, here as in ntfs-3g.
func TestSurrogates(t *testing.T) {
	names := []string{
		"lone\xed\xa0\x80.txt", "low\xed\xb0\x80", "last\xed\xbf\xbf", "two\xed\xb0\x80\xed\xa0\x80",
		"pair\U0001f642", "plain", "\u65e5\u672c",
	}
	slices.Sort(names)
	check := func(t *testing.T, what string, s sys, dir string) {
		t.Helper()
		var got []string
		err := s.list(dir, func(name string, _ *unix.Statx_t) { got = append(got, name) })
		slices.Sort(got)
		if err != nil || !slices.Equal(got, names) {
			t.Errorf("%s: %q, want %q; %v", what, got, names, err)
		}
		want := map[string][]byte{}
		for _, name := range names {
			want[name] = []byte(name)
		}
		checkVaried(t, what, s, dir, want)
	}
	make := func(r *runner) {
		r.mkdir("d")
		for _, name := range names {
			r.file("d/"+name, []byte(name))
		}
	}
	for _, w := range []writable{
		{name: "ntfs3", fstype: "ntfs", options: args(16 << 20), fuse: []string{"ntfs-3g"}},
		{name: "vfat", fstype: "fat32", options: args(64 << 20), data: "utf8=1"},
		{name: "exfat", fstype: "exfat", options: args(64 << 20), data: "iocharset=utf8"},
	} {
		t.Run(w.name, func(t *testing.T) {
			images := w.images(t)
			w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) { make(&runner{t: t, s: ours{&k.View}, root: dir}) })
			read := func(what string) {
				w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) { check(t, what, ours{&k.View}, dir+"/d") })
			}
			read("written by us")
			if w.fuse == nil {
				return
			}
			err := byFUSE(t, images[0], w.fuse, func(dir string) {
				check(t, "read by "+w.fuse[0], theirs{}, dir+"/d")
				rig.Check(t, "remove", os.RemoveAll(dir+"/d"))
				make(&runner{t: t, s: theirs{}, root: dir})
			})
			if errors.As(err, new(*testimg.Missing)) {
				t.Skip(err)
			}
			rig.Check(t, w.fuse[0], err)
			read("written by " + w.fuse[0])
		})
	}
}
