package hostdir

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
)

// BenchmarkKernelLookup has a kernel look at files that it has not seen before.
func BenchmarkKernelLookup(b *testing.B) {
	dir := b.TempDir()
	const n = 200
	for i := range n {
		os.WriteFile(fmt.Sprint(dir, "/", i), []byte("small"), 0o600)
	}
	k := rig.Boot(b, nil)
	for _, read := range []bool{false, true} {
		b.Run(fmt.Sprint("read=", read), func(b *testing.B) {
			for b.Loop() {
				v, m := mountIn(b, k, dir, Options{ReadOnly: true})
				for i := range n {
					name := fmt.Sprint("/", i)
					if read {
						if _, err := v.ReadFile(name, 100); err != nil {
							b.Fatal(err)
						}
						continue
					}
					var st unix.Statx_t
					if err := v.Statx(unix.AT_FDCWD, name, 0, unix.STATX_BASIC_STATS, &st); err != nil {
						b.Fatal(err)
					}
				}
				k.CloseFd(m.Fd)
				m.Wait(b.Context())
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/file")
		})
	}
}

// BenchmarkKernelRead has a kernel read a file that it has not seen before.
func BenchmarkKernelRead(b *testing.B) {
	dir := b.TempDir()
	const size = 32 << 20
	os.WriteFile(dir+"/f", make([]byte, size), 0o600)
	k := rig.Boot(b, nil)
	b.SetBytes(size)
	buf := make([]byte, 1<<20)
	for b.Loop() {
		v, m := mountIn(b, k, dir, Options{ReadOnly: true})
		fd, err := v.Open("/f", unix.O_RDONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		total := 0
		for {
			n, err := v.Read(fd, buf)
			if err != nil {
				b.Fatal(err)
			}
			if n == 0 {
				break
			}
			total += n
		}
		if total != size {
			b.Fatal(total)
		}
		v.CloseFd(fd)
		k.CloseFd(m.Fd)
		m.Wait(b.Context())
	}
}
