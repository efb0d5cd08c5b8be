package hostdir

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkLookup is what a kernel sends to look a name up, and to forget it.
func BenchmarkLookup(b *testing.B) {
	dir := b.TempDir()
	os.WriteFile(dir+"/f", nil, 0o600)
	c := start(b, dir, Options{ReadOnly: true})
	for b.Loop() {
		fid, err := c.tryWalk(rootFid, "f")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.stat(fid); err != nil {
			b.Fatal(err)
		}
		c.clunk(fid)
	}
}

// BenchmarkRead reads a file in the largest messages.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	const size = 16 << 20
	os.WriteFile(dir+"/f", make([]byte, size), 0o600)
	c := start(b, dir, Options{ReadOnly: true})
	fid := c.open(unix.O_RDONLY, "f")
	b.SetBytes(size)
	for b.Loop() {
		for off := uint64(0); off < size; {
			p, err := c.read(fid, off, MaxMessage)
			if err != nil {
				b.Fatal(err)
			}
			off += uint64(len(p))
		}
	}
}
