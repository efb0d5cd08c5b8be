package guestfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/server"
	"github.com/unboot/unboot/internal/testimg"
)

// BenchmarkFirstRead is a program's whole way to the first file and back.
func BenchmarkFirstRead(b *testing.B) {
	image := testimg.FS(b, "ext4", testimg.Options{Tree: true})
	needKernel(b)
	for name, close := range map[string]bool{"launch to read": false, "create to close": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g, err := Create_flags(CREATE_NO_ENVIRONMENT)
				check(b, err)
				check(b, g.Add_drive(image, raw(true)))
				check(b, g.Launch())
				check(b, g.Mount_ro("/dev/sda", "/"))
				if l, err := g.Ls("/"); err != nil || len(l) == 0 {
					b.Fatal(l, err)
				}
				if !close {
					b.StopTimer()
				}
				if err := g.Close(); err != nil {
					b.Fatal(err)
				}
				if !close {
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkCall is one small call.
func BenchmarkCall(b *testing.B) {
	g := launched(b, testimg.FS(b, "ext4", testimg.Options{}), true)
	b.Run("ping_daemon", func(b *testing.B) {
		for b.Loop() {
			check(b, g.Ping_daemon())
		}
	})
	b.Run("is_dir", func(b *testing.B) {
		for b.Loop() {
			must[bool](b)(g.Is_dir("/", nil))
		}
	})
}

// bulk is how much is transferred.
const bulk = 1 << 30

// bulkDisk returns an empty file system with room for bulk bytes and more.
func bulkDisk(b *testing.B) string {
	b.Helper()
	needKernel(b)
	testimg.Need(b, "mkfs.ext4")
	image := blank(b, bulk+bulk/4)
	testimg.MustRun(b, "mkfs.ext4", "-q", "-F", "-m0", image)
	return image
}

// bulkImage returns an image with a file of bulk bytes.
func bulkImage(b *testing.B) string {
	b.Helper()
	image := bulkDisk(b)
	g := launched(b, image, false)
	source := filepath.Join(b.TempDir(), "bulk")
	f, err := os.Create(source)
	check(b, err)
	pattern := testimg.Pattern(1<<20, 1)
	for range bulk / len(pattern) {
		_, err := f.Write(pattern)
		check(b, err)
	}
	check(b, f.Close())
	check(b, g.Upload(source, "/bulk"))
	check(b, os.Remove(source))
	if err := g.Close(); err != nil {
		b.Fatal(err)
	}
	return image
}

// BenchmarkDownload has the engine in this program, and at the other end of a socket.
func BenchmarkDownload(b *testing.B) {
	image := bulkImage(b)
	out := filepath.Join(b.TempDir(), "out")
	for name, connect := range map[string]func(testing.TB, string) *Guestfs{"local": inProgram, "socket": overSocket} {
		for to, file := range map[string]string{"null": os.DevNull, "file": out} {
			b.Run(fmt.Sprintf("%s/%s", name, to), func(b *testing.B) {
				g := connect(b, image)
				b.SetBytes(bulk)
				for b.Loop() {
					check(b, g.Download("/bulk", file))
				}
			})
		}
	}
}

func inProgram(t testing.TB, image string) *Guestfs { return launched(t, image, true) }

// overSocket returns a handle whose engine is at the other end of a socket.
func overSocket(t testing.TB, image string) *Guestfs {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check(t, err)
	s, err := server.New(server.Config{Drives: []server.Drive{{Path: image, Format: "raw", ReadOnly: true}}})
	check(t, err)
	far := os.NewFile(uintptr(fds[1]), "socket")
	go s.Serve(t.Context(), far)
	c := protocol.NewClient(os.NewFile(uintptr(fds[0]), "socket"))
	g := create(t)
	g.mu.Lock()
	g.session, g.state = socketSession{c, s}, ready
	g.mu.Unlock()
	check(t, g.Mount_ro("/dev/sda", "/"))
	return g
}

type socketSession struct {
	*protocol.Client
	s *server.Server
}

func (s socketSession) end(bool) error {
	s.Client.Close()
	return s.s.Close()
}
func (s socketSession) pid() int { return 0 }

func BenchmarkUpload(b *testing.B) {
	g := launched(b, bulkDisk(b), false)
	source := filepath.Join(b.TempDir(), "bulk")
	f, err := os.Create(source)
	check(b, err)
	_, err = io.CopyN(f, zeros{}, bulk)
	check(b, err)
	check(b, f.Close())
	b.SetBytes(bulk)
	for b.Loop() {
		check(b, g.Upload(source, "/bulk"))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// BenchmarkInspect is what a scanner does with an image: to open it, to find the
// operating system, to mount that, and to list its packages.
func BenchmarkInspect(b *testing.B) {
	needKernel(b)
	for _, kind := range []string{"ext4", "xfs", "btrfs", "btrfs-subvol"} {
		image := testimg.Debian(b, kind)
		for _, readonly := range []bool{true, false} {
			if !readonly {
				image = testimg.Writable(b, image)
			}
			b.Run(fmt.Sprintf("%s/readonly=%t", kind, readonly), func(b *testing.B) {
				for b.Loop() {
					g, err := Create_flags(CREATE_NO_ENVIRONMENT)
					check(b, err)
					check(b, g.Add_drive(image, raw(readonly)))
					check(b, g.Launch())
					roots := must[[]string](b)(g.Inspect_os())
					if len(roots) != 1 {
						b.Fatal(roots)
					}
					for dir, device := range must[map[string]string](b)(g.Inspect_get_mountpoints(roots[0])) {
						if dir == "/" {
							check(b, g.Mount_ro(device, dir))
						}
					}
					if apps := must[*[]Application2](b)(g.Inspect_list_applications2(roots[0])); len(*apps) < 80 {
						b.Fatal(len(*apps))
					}
					check(b, closed(g))
				}
			})
		}
	}
}

// closed closes a handle.
func closed(g *Guestfs) error {
	if err := g.Close(); err != nil {
		return err
	}
	return nil
}
