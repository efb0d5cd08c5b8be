package server

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// TestTarInGoesOn has members that a file system cannot hold: all others are unpacked,
// and the error names each of them.
func TestTarInGoesOn(t *testing.T) {
	tree := t.TempDir()
	write := func(name string, size int) {
		if err := os.WriteFile(filepath.Join(tree, name), testimg.Pattern(size, 1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a:b", 3)
	write("q?", 300000)
	os.Symlink("x", filepath.Join(tree, "link"))
	write("Makefile", 1)
	write("makefile", 2)
	write("z", 300000)
	os.Mkdir(filepath.Join(tree, "dir"), 0o755)
	write("dir/w", 7)
	archive := run(t, nil, "tar", "-C", tree, "--sort=name", "--owner=70", "--group=70", "-cf", "-", ".")
	img := testimg.Writable(t, testimg.FS(t, "fat32", testimg.Options{}))
	g := mountImage(t, Drive{Path: img})
	err := g.in(rpc.ProcTarIn, &rpc.TarInArgs{Directory: "/"}, strings.NewReader(archive))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"tar subcommand failed on directory: /: tar: ./a:b: Cannot unpack: Invalid argument\n",
		"tar: ./link: Cannot unpack: Operation not permitted\n",
		"tar: ./q?: Cannot unpack: Invalid argument\n",
		"tar: ./makefile: will not overwrite just-created Makefile",
		"tar: Exiting with failure status due to previous errors",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n"); n != 4 {
		t.Errorf("%d lines:\n%v", n+1, err)
	}
	list := names0(g.out(rpc.ProcFind0, &rpc.Find0Args{Directory: "/"}))
	slices.Sort(list)
	if got := strings.Join(list, " "); strings.TrimSpace(got) != "Makefile dir dir/w z" {
		t.Errorf("unpacked: %q", got)
	}
	// Of what a file system refuses of attributes, tar only warns.
	img = testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	g = mountImage(t, Drive{Path: img})
	var mac bytes.Buffer
	w := tar.NewWriter(&mac)
	for _, size := range []int{10, 300000} {
		h := &tar.Header{Name: fmt.Sprint(size), Size: int64(size), Mode: 0o640, PAXRecords: map[string]string{"SCHILY.xattr.com.apple.x": "1", "SCHILY.xattr.user.a": "b"}}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write(testimg.Pattern(size, 2))
	}
	w.Close()
	if err := g.in(rpc.ProcTarIn, &rpc.TarInArgs{Directory: "/", Xattrs: rpc.Some(true)}, &mac); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{10, 300000} {
		got := g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: fmt.Sprint("/", size)})
		if !bytes.Equal(got, testimg.Pattern(size, 2)) {
			t.Errorf("a file of %d bytes has %d", size, len(got))
		}
	}
}
