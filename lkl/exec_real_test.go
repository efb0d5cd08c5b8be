package lkl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Programs of a few instructions, which need nothing of a file system but themselves.
var (
	exit42  = []byte{0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05} // exit(42)
	pausing = []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}        // for (;;) pause()
	copying = []byte{0x48, 0x81, 0xec, 0, 0x10, 0, 0,                  /* sub $4096, %rsp */
		0x31, 0xff, 0x48, 0x89, 0xe6, 0xba, 0, 0x10, 0, 0, 0x31, 0xc0, 0x0f, 0x05, // n = read(0, %rsp, 4096)
		0x48, 0x85, 0xc0, 0x7e, 20, // if (n <= 0) goto exit
		0x48, 0x89, 0xc2, 0xbf, 1, 0, 0, 0, 0x48, 0x89, 0xe6, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, // write(1, %rsp, n)
		0xeb, 0xd9, // again
		0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05} // exit: exit(0)
)

// program writes an executable of the code into the kernel's root, see elf(5).
func program(t testing.TB, k *Kernel, path string, code []byte) *Exec {
	t.Helper()
	const base, head = 0x400000, 64 + 56
	b := make([]byte, head, head+len(code))
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)         // an executable
	le.PutUint16(b[18:], 62)        // for x86-64
	le.PutUint32(b[20:], 1)         // version
	le.PutUint64(b[24:], base+head) // entry
	le.PutUint64(b[32:], 64)        // program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	p := b[64:]
	le.PutUint32(p[0:], 1) // to be loaded,
	le.PutUint32(p[4:], 5) // to be read and executed
	le.PutUint64(p[16:], base)
	le.PutUint64(p[24:], base)
	le.PutUint64(p[32:], uint64(head+len(code)))
	le.PutUint64(p[40:], uint64(head+len(code)))
	le.PutUint64(p[48:], 4096)
	fd, err := k.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o755)
	must(t, "open", err)
	_, err = k.Write(fd, append(b, code...))
	must(t, "write", err)
	must(t, "close", k.CloseFd(fd))
	return &Exec{File: path, Args: []string{path}, Fds: [3]int{-1, -1, -1}}
}

// bootReady boots a real kernel that runs programs, or skips the test.
func bootReady(t testing.TB) *Kernel {
	t.Helper()
	k := bootReal(t, &Config{Programs: 256 << 20})
	if err := k.StartPrograms(); errors.Is(err, ErrNoPrograms) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRealExec(t *testing.T) {
	k := bootReady(t)
	x := program(t, k, "/exit", exit42)
	for range 20 {
		p, err := k.Exec(x)
		must(t, "exec", err)
		e, err := p.Wait()
		must(t, "wait", err)
		if e.Status.ExitStatus() != 42 || !e.Status.Exited() {
			t.Errorf("%+v", e)
		}
		if err := p.Kill(unix.SIGKILL, 0); err != unix.ESRCH {
			t.Errorf("signal to what has ended: %v", err)
		}
		must(t, "close", p.Close())
	}
	for name, want := range map[string]error{"/none": unix.ENOENT, "/dev/null": unix.EACCES, "/exit/x": unix.ENOTDIR} {
		bad := *x
		bad.File = name
		if _, err := k.Exec(&bad); err != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := *x
	bad.Fds[1] = 12345
	if _, err := k.Exec(&bad); err != unix.EBADF {
		t.Errorf("bad descriptor: %v", err)
	}
	bad = *x
	bad.Mounts = []ExecMount{{Fd: 12345, Target: "/"}}
	if _, err := k.Exec(&bad); err != unix.EBADF {
		t.Errorf("bad mount: %v", err)
	}
	must(t, "close", k.Close())
}

// More than pipes hold goes through a program.
func TestRealExecPipes(t *testing.T) {
	k := bootReady(t)
	x := program(t, k, "/copy", copying)
	inR, inW, err := k.Pipe()
	must(t, "pipe", err)
	outR, outW, err := k.Pipe()
	must(t, "pipe", err)
	x.Fds = [3]int{inR, outW, -1}
	p, err := k.Exec(x)
	must(t, "exec", err)
	must(t, "close", k.CloseFd(inR))
	must(t, "close", k.CloseFd(outW))
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var written sync.WaitGroup
	written.Go(func() {
		if _, err := k.Write(inW, want); err != nil {
			t.Error(err)
		}
		k.CloseFd(inW)
	})
	var got []byte
	buf := make([]byte, 8192)
	for {
		n, err := k.Read(outR, buf)
		must(t, "read", err)
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	written.Wait()
	e, err := p.Wait()
	if !bytes.Equal(got, want) || err != nil || e.Status != 0 {
		t.Errorf("%d bytes of %d, %v, %v", len(got), len(want), e, err)
	}
	must(t, "close", p.Close())
}

// What is written to a program that has ended is an error, and does no harm to the calls that
// come later.
func TestRealExecBrokenPipe(t *testing.T) {
	k := bootReady(t)
	x := program(t, k, "/exit", exit42)
	for range 10 {
		r, w, err := k.Pipe()
		must(t, "pipe", err)
		x.Fds[0] = r
		p, err := k.Exec(x)
		must(t, "exec", err)
		must(t, "close", k.CloseFd(r))
		_, err = p.Wait()
		must(t, "wait", err)
		if _, err := k.Write(w, []byte("x")); err != unix.EPIPE {
			t.Errorf("%v", err)
		}
		must(t, "close", k.CloseFd(w))
		must(t, "close", p.Close())
	}
}

// As many programs as there can be, each waited for, leave the kernel's calls their workers.
func TestRealExecMany(t *testing.T) {
	k := bootReady(t)
	x := program(t, k, "/pause", pausing)
	var waits sync.WaitGroup
	var all []*Program
	for range MaxPrograms {
		p, err := k.Exec(x)
		must(t, "exec", err)
		all = append(all, p)
		waits.Go(func() {
			if e, err := p.Wait(); err != nil || e.Status.Signal() != unix.SIGTERM {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
	_, err := k.ReadFile("/pause", 1000)
	must(t, "read", err)
	for _, p := range all {
		must(t, "kill", p.Kill(unix.SIGTERM, 0))
	}
	waits.Wait()
	for _, p := range all {
		must(t, "close", p.Close())
	}
	// To close one is its end.
	p, err := k.Exec(x)
	must(t, "exec", err)
	must(t, "close", p.Close())
	must(t, "close", k.Close())
}
