package qcow2

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// BenchmarkRead reads images of one content from start to end, in pieces of 64 KiB,
// and single blocks of 4 KiB at random.
func BenchmarkRead(b *testing.B) {
	const size = 64 << 20
	dir := b.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, mixed(rand.New(rand.NewPCG(1, 1)), size), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, options := range []string{"", "-o extended_l2=on", "-c -o compression_type=zlib", "-c -o compression_type=zstd"} {
		image := filepath.Join(dir, "image")
		testimg.MustRun(b, "sh", "-c", fmt.Sprintf("qemu-img convert -f raw -O qcow2 %s %s %s", options, from, image))
		m, err := openFile(image, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("sequential/"+options, func(b *testing.B) {
			b.SetBytes(size)
			buf := make([]byte, 64<<10)
			for b.Loop() {
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(m, 0, size)}, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("random/"+options, func(b *testing.B) {
			b.SetBytes(4096)
			r := rand.New(rand.NewPCG(2, 2))
			buf := make([]byte, 4096)
			for b.Loop() {
				if _, err := m.ReadAt(buf, r.Int64N(size/4096)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
