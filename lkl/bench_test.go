package lkl

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchKernel boots a kernel with a file system at /mnt.
func benchKernel(b *testing.B) *Kernel {
	k := bootReal(b, nil)
	mountDisk(b, k, Disk{File: open(b, ext4Image(b, 64<<20), os.O_RDWR), ReadOnly: true}, unix.MS_RDONLY)
	return k
}

// BenchmarkCall is one goroutine that makes one call after the other.
func BenchmarkCall(b *testing.B) {
	k := bootReal(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		k.CloseFd(-1)
	}
}

// BenchmarkCallIdle is a call that finds both sides asleep.
func BenchmarkCallIdle(b *testing.B) {
	k := bootReal(b, nil)
	var times []time.Duration
	for b.Loop() {
		time.Sleep(500 * time.Microsecond)
		start := time.Now()
		k.CloseFd(-1)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/10]), "ns-p10")
	b.ReportMetric(float64(times[len(times)/2]), "ns-median")
}

func BenchmarkCallParallel(b *testing.B) {
	k := bootReal(b, nil)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k.CloseFd(-1)
		}
	})
}

func BenchmarkStatx(b *testing.B) {
	k := benchKernel(b)
	var st unix.Statx_t
	b.ReportAllocs()
	for b.Loop() {
		if err := k.Statx(unix.AT_FDCWD, "/mnt/etc/os-release", 0, unix.STATX_BASIC_STATS, &st); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadFile(b *testing.B) {
	k := benchKernel(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.ReadFile("/mnt/etc/os-release", 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPread reads a file of 4 MiB that the kernel has, or not, in its
// cache.
func BenchmarkPread(b *testing.B) {
	k := benchKernel(b)
	fd, err := k.Open("/mnt/big", unix.O_RDONLY, 0)
	must(b, "open", err)
	const size = 4 << 20
	buf, err := k.Alloc(size)
	must(b, "alloc", err)
	defer buf.Free()
	for name, p := range map[string][]byte{"heap": make([]byte, size), "buffer": buf.Bytes()} {
		for _, piece := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			b.Run(fmt.Sprintf("%s/%dK", name, piece>>10), func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					for off := 0; off < size; off += piece {
						if n, err := k.Pread(fd, p[:piece], int64(off)); n != piece || err != nil {
							b.Fatal(n, err)
						}
					}
				}
			})
		}
	}
}

func BenchmarkReadDir(b *testing.B) {
	k := bootReal(b, nil)
	must(b, "mkdir", k.Mkdirat(unix.AT_FDCWD, "/d", 0o755))
	const files = 1000
	for i := range files {
		must(b, "mknod", k.Mknodat(unix.AT_FDCWD, fmt.Sprintf("/d/file-with-a-name-%d", i), unix.S_IFREG|0o600, 0))
	}
	fd, err := k.Open("/d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(b, "open", err)
	b.ReportAllocs()
	for b.Loop() {
		k.Seek(fd, 0, unix.SEEK_SET)
		n := 0
		for _, err := range k.ReadDir(fd, unix.STATX_BASIC_STATS, 0) {
			must(b, "readdir", err)
			n++
		}
		if n != files {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/entry")
}

func BenchmarkBoot(b *testing.B) {
	bootReal(b, nil)
	for b.Loop() {
		k, err := Boot(context.Background(), nil)
		must(b, "boot", err)
		k.Kill()
	}
}

func BenchmarkBootClose(b *testing.B) {
	bootReal(b, nil)
	for b.Loop() {
		k, err := Boot(context.Background(), nil)
		must(b, "boot", err)
		must(b, "close", k.Close())
	}
}

// BenchmarkDevice reads from a disk that this program serves.
func BenchmarkDevice(b *testing.B) {
	image, err := os.ReadFile(ext4Image(b, 64<<20))
	must(b, "read", err)
	d := newRAMDisk(0)
	d.data = image
	k := bootReal(b, nil)
	mountDisk(b, k, Disk{Device: d, ReadOnly: true}, unix.MS_RDONLY)
	fd, err := k.Open("/mnt/big", unix.O_RDONLY, 0)
	must(b, "open", err)
	const size = 4 << 20
	buf, err := k.Alloc(size)
	must(b, "alloc", err)
	defer buf.Free()
	for _, piece := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dK", piece>>10), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				for off := 0; off < size; off += piece {
					if n, err := k.Pread(fd, buf.Bytes()[:piece], int64(off)); n != piece || err != nil {
						b.Fatal(n, err)
					}
				}
			}
		})
	}
}
