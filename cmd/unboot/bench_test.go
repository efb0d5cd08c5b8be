package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/treecopy"
)

// tarTo writes the whole tree as an archive.
func tarTo(a *app, o *opened, w io.Writer) (*progress, error) {
	p := &progress{}
	src := &treecopy.ImageSource{FS: o.fs, Root: "."}
	dst := &treecopy.TarSink{W: tarball.NewWriter(w)}
	dst.Report = treecopy.Report{Files: &p.files, Bytes: &p.bytes}
	return p, treecopy.Transfer(a.ctx, src, dst)
}

// 57,000 files, the file system cold each time.
func BenchmarkTarOut(b *testing.B) {
	image := testimg.UsrShare(b)
	for b.Loop() {
		a := newApp(nil, "test")
		o, err := a.tree(image, false)
		if err != nil {
			b.Fatal(err)
		}
		p, err := tarTo(a, o, io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(p.files.Load()), "files/op")
		b.SetBytes(p.bytes.Load())
		if err := a.close(); err != nil {
			b.Fatal(err)
		}
	}
}

// The same files unpacked, to stable storage.
func BenchmarkTarIn(b *testing.B) {
	image := testimg.UsrShare(b)
	archive := filepath.Join(b.TempDir(), "a.tar")
	f, err := os.Create(archive)
	if err != nil {
		b.Fatal(err)
	}
	a := newApp(nil, "test")
	o, err := a.tree(image, false)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := tarTo(a, o, f); err != nil {
		b.Fatal(err)
	}
	a.close()
	f.Close()
	blank := testimg.FS(b, "ext4", testimg.Options{Size: 2 << 30})
	for b.Loop() {
		b.StopTimer()
		out := testimg.Writable(b, blank)
		b.StartTimer()
		a := newApp(nil, "test")
		o, err := a.tree(out, true)
		if err != nil {
			b.Fatal(err)
		}
		if err := unpackTo(a, o, archive); err != nil {
			b.Fatal(err)
		}
		if err := a.close(); err != nil {
			b.Fatal(err)
		}
		os.Remove(out)
	}
}

func unpackTo(a *app, o *opened, archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := decompressed(f)
	if err != nil {
		return err
	}
	return treecopy.Transfer(a.ctx, &treecopy.TarSource{R: tarball.NewReader(r)}, &treecopy.ImageSink{FS: o.fs, Dir: ".", Umask: 0o022})
}

// 57,000 files found and printed, the file system cold each time.
func BenchmarkFind(b *testing.B) {
	image := testimg.UsrShare(b)
	for b.Loop() {
		a := newApp(nil, "test")
		a.out.Reset(io.Discard)
		if err := runFind(a, []string{image, "-printf", "%s %p\n"}); err != nil {
			b.Fatal(err)
		}
		if err := a.close(); err != nil {
			b.Fatal(err)
		}
	}
}
