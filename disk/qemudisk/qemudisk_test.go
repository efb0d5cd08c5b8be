package qemudisk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/disk/qemudisk"
	"github.com/unboot/unboot/disk/remote"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

var ctx = context.Background()

// export serves a file by our own NBD server, and returns the address of it.
func export(t *testing.T, path string, writable bool) string {
	t.Helper()
	d, err := disk.OpenRaw(path, disk.Options{AnyFormat: true, Writable: writable})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return serve(t, d, writable)
}

// left returns the folders of servers that are there.
func left(t *testing.T) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(os.TempDir(), "unboot-qemu-*"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func open(t *testing.T, address string, writable bool) (disk.Device, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return qemudisk.Open(ctx, u, disk.Options{Writable: writable})
}

// What QEMU reaches is read and written, and nothing is left of its server.
func TestWritten(t *testing.T) {
	testimg.Need(t, qemudisk.Program)
	t.Setenv("TMPDIR", t.TempDir())
	content := imgtest.Content(5<<20, 1)
	path := filepath.Join(imgtest.Write(t, map[string][]byte{"image": content}), "image")
	address := export(t, path, true)
	d, err := open(t, address, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(left(t)) != 1 {
		t.Error("its folder is somewhere else")
	}
	if st, err := os.Stat(left(t)[0]); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	got := make([]byte, len(content))
	if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("it reads something else: %v", err)
	}
	for off := 4096; off < len(content); off += 1 << 20 {
		b := bytes.Repeat([]byte{byte(off >> 16)}, 5000)
		copy(content[off:], b)
		if _, err := d.WriteAt(b, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if z, ok := disk.As[disk.ZeroWriter](d); !ok {
		t.Error("it writes no zeros")
	} else if err := z.WriteZeroes(3<<20, 1<<19); err != nil {
		t.Error(err)
	}
	clear(content[3<<20:][:1<<19])
	if err := d.Flush(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
		t.Errorf("it has something else: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if l := left(t); len(l) > 0 {
		t.Errorf("left: %q", l)
	}
}

// QEMU is not told what is in the bytes: an image on it names no files to it.
func TestRaw(t *testing.T) {
	testimg.Need(t, qemudisk.Program, "qemu-img")
	t.Setenv("TMPDIR", t.TempDir())
	dir := imgtest.Write(t, map[string][]byte{"secret": bytes.Repeat([]byte("secret"), 20000)})
	image := filepath.Join(dir, "image")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", filepath.Join(dir, "secret"), image)
	address := export(t, image, false)
	d, err := open(t, address, false)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := d.ReadAt(head, 0); err != nil || string(head) != "QFI\xfb" {
		t.Errorf("%q, %v", head, err)
	}
	if _, err := d.WriteAt(head, 0); err == nil {
		t.Error("it was written to")
	}
	d.Close()
	// As a qcow2 image, it is one from elsewhere, that names nothing here.
	r := remote.ViaQEMU()
	if d, err := r.Open(ctx, address, source.Options{Allow: func(disk.Reference) error { return nil }}); err == nil {
		d.Close()
		t.Error("the backing file was opened")
	} else if !strings.Contains(err.Error(), "cannot be opened here") && !strings.Contains(err.Error(), "not one that can be opened here") {
		t.Error(err)
	}
}

// Of what both know, QEMU reads the same as this project.
func TestSame(t *testing.T) {
	testimg.Need(t, qemudisk.Program)
	t.Setenv("TMPDIR", t.TempDir())
	content := imgtest.Content(3<<20+512, 2)
	path := filepath.Join(imgtest.Write(t, map[string][]byte{"image": content}), "image")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	defer web.Close()
	for name, address := range map[string]string{"nbd": export(t, path, false), "http": web.URL + "/image"} {
		t.Run(name, func(t *testing.T) {
			own, err := remote.Sources().Open(ctx, address, source.Options{Format: "raw"})
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			theirs, err := remote.ViaQEMU().Open(ctx, address, source.Options{Format: "raw"})
			if err != nil && strings.Contains(err.Error(), "Unknown protocol") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close()
			a, b := make([]byte, len(content)), make([]byte, len(content))
			if _, err := own.ReadAt(a, 0); err != nil {
				t.Error(err)
			}
			if _, err := theirs.ReadAt(b, 0); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(a, content) || !bytes.Equal(b, content) || own.Size() != theirs.Size() {
				t.Error("they differ")
			}
		})
	}
}

// What cannot be reached is an error with QEMU's words, without the password, and leaves
// nothing.
func TestErrors(t *testing.T) {
	testimg.Need(t, qemudisk.Program)
	t.Setenv("TMPDIR", t.TempDir())
	for _, address := range []string{"nbd+unix:///?socket=" + t.TempDir() + "/none", "nbd://user:geheim@127.0.0.1:1/x", "rbd:none/none:id=x", "iscsi://u%25geheim@127.0.0.1:1/t/0"} {
		d, err := open(t, address, false)
		if err == nil {
			d.Close()
		}
		pe, ok := errors.AsType[*fs.PathError](err)
		if !ok || pe.Op != "open" || !strings.Contains(err.Error(), "qemu-nbd: ") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := open(t, "nbd://127.0.0.1:1/x", false); !errors.Is(err, qemudisk.ErrMissing) {
		t.Error(err)
	}
	if l := left(t); len(l) > 0 {
		t.Errorf("left: %q", l)
	}
}

// stand puts a script in the place of QEMU's program.
func stand(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, qemudisk.Program), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", t.TempDir())
}

// What ends without a word, or repeats a key, is an error that says so, without the key.
func TestSaid(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0": "qemu-nbd ended before it served anything",
		"exit 3": "qemu-nbd: exit status 3",
		`for a; do :; done; echo "qemu-nbd: no $a, nor QVFE+/==" >&2; exit 1`: "qemu-nbd: no rbd:pool/image:id=me:key=…:mon_host=h, nor …",
	} {
		stand(t, script)
		_, err := open(t, "rbd:pool/image:id=me:key=QVFE+/==:mon_host=h", false)
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) || strings.Contains(err.Error(), "QVFE") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// A server that has no client yet ends with the process that has started it, even if that is
// killed.
func TestKilled(t *testing.T) {
	const child = "UNBOOT_TEST_QEMU_CHILD"
	if os.Getenv(child) != "" {
		open(t, "nbd://127.0.0.1:1/x", false)
		return
	}
	file := filepath.Join(t.TempDir(), "pid")
	stand(t, "echo $$ >"+file+".new; mv "+file+".new "+file+"; exec sleep 300")
	c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	c.Env = append(os.Environ(), child+"=1")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				c.Process.Kill()
				t.Fatal(what)
			}
		}
	}
	var pid int
	wait("nothing was started", func() bool {
		b, err := os.ReadFile(file)
		if err == nil {
			pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		return err == nil
	})
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	wait("the server is still there", func() bool {
		// Nobody may reap it in a container: then it is a zombie.
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
}

// When its client ends, a server does so too, and requests in flight have the cause.
func TestContext(t *testing.T) {
	testimg.Need(t, qemudisk.Program)
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(imgtest.Write(t, map[string][]byte{"image": make([]byte, 1<<20)}), "image")
	u, _ := url.Parse(export(t, path, false))
	ctx, cancel := context.WithCancelCause(ctx)
	d, err := qemudisk.Open(ctx, u, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	why := fmt.Errorf("no longer")
	cancel(why)
	if _, err := d.ReadAt(make([]byte, 512), 0); !errors.Is(err, why) {
		t.Error(err)
	}
	begun := time.Now()
	d.Close()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it has ended after %v", took)
	}
	if l := left(t); len(l) > 0 {
		t.Errorf("left: %q", l)
	}
}

// serve serves a device on a socket for the time of the test.
func serve(t *testing.T, d disk.Device, writable bool) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() {
		done <- (&nbd.Server{Shares: []nbd.Share{{Device: d, Writable: writable}}}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return "nbd+unix:///?socket=" + socket
}
