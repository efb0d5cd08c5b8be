package nbd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
)

// Servers of others, with everything that they can be asked to leave out.
func TestServers(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		check func(*conn) bool
	}{
		{"qemu-nbd", nil, func(c *conn) bool { return c.structured && c.status }},
		{"nbdkit", []string{"memory", "size=4M"}, func(c *conn) bool { return c.structured && c.status }},
		{"nbdkit", []string{"--no-sr", "memory", "size=4M"}, func(c *conn) bool { return !c.structured && !c.status }},
		{"nbdkit", []string{"--mask-handshake=0", "memory", "size=4M"}, func(c *conn) bool { return !c.structured }},
		{"nbdkit", []string{"--mask-handshake=1", "memory", "size=4M"}, func(c *conn) bool { return c.structured }},
		{"nbdkit", []string{"--filter=blocksize-policy", "memory", "size=4M", "blocksize-minimum=4096", "blocksize-maximum=64K", "blocksize-error-policy=error"},
			func(c *conn) bool { return c.export.MinBlock == 4096 && c.export.MaxBlock == 64<<10 }},
		{"nbdkit", []string{"--filter=nozero", "memory", "size=4M", "zeromode=none"},
			func(c *conn) bool { return !c.export.can(exportWriteZeroes) }},
		{"nbdkit", []string{"--filter=fua", "--filter=log", "memory", "size=4M", "fuamode=native", "logfile=/dev/null"}, nil},
		{"nbdkit", []string{"--filter=noextents", "memory", "size=4M"}, nil},
		{"nbdkit", []string{"--filter=noparallel", "memory", "size=4M", "serialize=all-requests"}, nil},
	} {
		t.Run(c.name+fmt.Sprint(c.args), func(t *testing.T) {
			t.Parallel()
			dir := socketDir(t)
			a := &Address{Network: "unix", Host: dir + "/s"}
			args := append([]string{"-f", "-U", a.Host}, c.args...)
			if c.name == "qemu-nbd" {
				img := filepath.Join(dir, "d.qcow2")
				run(t, "qemu-img", "create", "-q", "-f", "qcow2", img, "4M")
				args = []string{"-f", "qcow2", "-k", a.Host, "-t", "--discard=unmap", img}
			}
			start(t, a.Host, c.name, args...)
			d := open(t, a, Options{Writable: true})
			if c.check != nil && !c.check(d.link.Conn()) {
				t.Errorf("%+v", d.link.Conn().export)
			}
			program(t, d, make([]byte, 4<<20), 3, 200)
			total := int64(0)
			for e, err := range d.Extents(0, d.Size()) {
				if err != nil || e.Start != total {
					t.Fatalf("%+v, %v", e, err)
				}
				total += e.Size
			}
			if total != d.Size() {
				t.Errorf("extents of %d bytes", total)
			}
			if err := d.Flush(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What qemu-img says of an image is what the client says of qemu-nbd's export of it.
func TestExtentsOfQEMU(t *testing.T) {
	dir := socketDir(t)
	img := dir + "/d.qcow2"
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", img, "64M")
	r := rand.New(rand.NewPCG(4, 4))
	args := []string{"-f", "qcow2"}
	for range 200 {
		what := "write -P 7"
		if r.IntN(2) == 0 {
			what = "write -z"
		}
		args = append(args, "-c", fmt.Sprintf("%s %d %d", what, r.IntN(120)*512<<10, 64<<10<<r.IntN(3)))
	}
	run(t, "qemu-io", append(args, img)...)
	var want []struct {
		Start, Length int64
		Data, Zero    bool
	}
	if err := json.Unmarshal([]byte(run(t, "qemu-img", "map", "--output=json", "-f", "qcow2", img)), &want); err != nil {
		t.Fatal(err)
	}
	a := &Address{Network: "unix", Host: dir + "/s"}
	start(t, a.Host, "qemu-nbd", "-f", "qcow2", "-r", "-k", a.Host, "-t", img)
	d := open(t, a, Options{})
	zero := make([]bool, d.Size()>>16)
	for _, e := range want {
		for at := e.Start; at < e.Start+e.Length; at += 1 << 16 {
			zero[at>>16] = e.Zero
		}
	}
	for e, err := range d.Extents(0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		for at := e.Start; at < e.Start+e.Size; at += 1 << 16 {
			if zero[at>>16] != (e.Kind != disk.Data) {
				t.Errorf("%v at %d", e.Kind, at)
			}
		}
	}
}

// Clients of others read and write what the server exports.
func TestClients(t *testing.T) {
	m := newMemory(16 << 20)
	dir := socketDir(t)
	a := serve(t, &Server{Shares: []Share{{Name: "x", Description: "of a test", Device: m, Writable: true}}})
	uri := "nbd+unix:///x?socket=" + a.Host
	src := dir + "/src"
	b := make([]byte, 16<<20)
	r := rand.New(rand.NewPCG(5, 5))
	for i := 3 << 20; i < 9<<20; i++ {
		b[i] = byte(r.Uint32())
	}
	if err := os.WriteFile(src, b, 0o644); err != nil {
		t.Fatal(err)
	}
	back := func(what string) {
		t.Helper()
		if !bytes.Equal(m.content(), b) {
			t.Errorf("%s: other bytes", what)
		}
	}
	t.Run("qemu-img convert", func(t *testing.T) {
		run(t, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-W", src, uri)
		back("qemu-img convert")
		run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", src, uri)
		out := run(t, "qemu-img", "map", "--output=json", "-f", "raw", uri)
		if !strings.Contains(out, `"start": 3145728, "length": 6291456, "depth": 0, "present": true, "zero": false`) {
			t.Errorf("%s", out)
		}
	})
	t.Run("nbdcopy", func(t *testing.T) {
		m.clear()
		run(t, "nbdcopy", "--flush", src, uri)
		back("nbdcopy")
		if m.flushCount() == 0 {
			t.Error("not flushed")
		}
		run(t, "nbdcopy", uri, dir+"/dst")
		if got, err := os.ReadFile(dir + "/dst"); err != nil || !bytes.Equal(got, b) {
			t.Errorf("other bytes, %v", err)
		}
	})
	t.Run("nbdinfo", func(t *testing.T) {
		out := run(t, "nbdinfo", "--list", "nbd+unix:///?socket="+a.Host)
		for _, want := range []string{`export="x"`, "description: of a test", "export-size: 16777216", "can_multi_conn: true", "can_trim: true", "can_fua: true", "base:allocation", "is_read_only: false"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %s in %s", want, out)
			}
		}
		for _, line := range strings.Split(strings.TrimSpace(run(t, "nbdinfo", "--map", uri)), "\n") {
			if f := strings.Fields(line); len(f) < 4 {
				t.Errorf("%q", line)
			}
		}
	})
	t.Run("qemu-io", func(t *testing.T) {
		model := m.content()
		args := []string{"-f", "raw"}
		for i := range 300 {
			off := r.IntN(15<<20) &^ 511
			n := 512 * (1 + r.IntN(2000))
			c, value := "", byte(0)
			switch r.IntN(5) {
			case 0:
				c = fmt.Sprintf("write -z %d %d", off, n)
			case 1:
				c = fmt.Sprintf("write -z -u %d %d", off, n)
			case 2:
				c, value = fmt.Sprintf("write -f -P %d %d %d", i%251, off, n), byte(i%251)
			case 3:
				c, value = fmt.Sprintf("aio_write -P %d %d %d", i%251, off, n), byte(i%251)
				c += "\x00aio_flush"
			case 4:
				c = "flush"
			}
			for _, one := range strings.Split(c, "\x00") {
				args = append(args, "-c", one)
			}
			if c != "flush" {
				for j := off; j < off+n; j++ {
					model[j] = value
				}
			}
		}
		out := run(t, "qemu-io", append(args, uri)...)
		if strings.Contains(out, "failed") || !bytes.Equal(m.content(), model) {
			t.Errorf("other bytes: %s", out)
		}
	})
	t.Run("old", func(t *testing.T) {
		// Clients that do not know what came later.
		for _, mask := range []string{"h.set_request_structured_replies(False)", "h.set_opt_mode(False)", "h.set_handshake_flags(0)", "h.set_request_block_size(False)"} {
			t.Setenv("PATH", "/usr/bin:/bin") // whose Python has the module
			run(t, "nbdsh", "-c", mask, "-u", uri, "-c", "b = h.pread(65536, 4 << 20); h.pwrite(b, 1 << 20); h.flush(); assert h.get_size() == 16 << 20; assert h.pread(65536, 1 << 20) == b")
		}
	})
}

// An image can be read while others read it, in any number.
func TestManyClients(t *testing.T) {
	m := newMemory(8 << 20)
	m.fill(9)
	a := serve(t, &Server{Shares: []Share{{Device: m}}})
	errs := make(chan error)
	for i := range 8 {
		go func() {
			d, err := Dial(context.Background(), a, Options{})
			if err != nil {
				errs <- err
				return
			}
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 100 {
				off := r.Int64N(7 << 20)
				p := make([]byte, 1+r.IntN(1<<20))
				if _, e := d.ReadAt(p, off); e != nil {
					err = e
				} else if !bytes.Equal(p, m.content()[off:off+int64(len(p))]) {
					err = errors.New("other bytes")
				}
			}
			errs <- errors.Join(err, d.Close())
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
