package hv

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// TestMain lets the test's binary be the program that libguestfs starts.
func TestMain(m *testing.M) {
	if Invoked(os.Args[0]) && os.Getenv(transferEnv) != "" {
		os.Exit(transferMain(os.Args[1:]))
	}
	if Invoked(os.Args[0]) {
		os.Exit(Main(os.Args[1:]))
	}
	os.Unsetenv(fallbackEnv)
	os.Exit(m.Run())
}

func unsetenv(t *testing.T, name string) {
	t.Setenv(name, "") // so that the test's end restores it
	os.Unsetenv(name)
}

// testEnv returns the environment for this binary, in a directory of the test.
func testEnv(t *testing.T) Env {
	t.Helper()
	unsetenv(t, "XDG_RUNTIME_DIR")
	t.Setenv("TMPDIR", t.TempDir())
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := FindEnv(program)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// library is what libguestfs does: it listens, starts the program and waits.
type library struct {
	client  *protocol.Client
	cmd     *exec.Cmd
	console bytes.Buffer
}

func start(t *testing.T, args ...string) (*library, error) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "guestfsd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lib := &library{}
	lib.cmd = exec.Command(testEnv(t).HV, append([]string{
		"-global", "virtio-blk-pci.scsi=off", "-display", "none", "-machine", "accel=kvm:tcg", "-m", "1280",
		"-kernel", "/k", "-device", "virtio-scsi-pci,id=scsi",
		"-chardev", "socket,path=" + l.Addr().String() + ",id=channel0", "-device", "virtserialport,chardev=channel0,name=org.libguestfs.channel.0",
	}, args...)...)
	lib.cmd.Stdout, lib.cmd.Stderr = &lib.console, &lib.console
	if err := lib.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lib.cmd.Process.Kill() })
	ended := make(chan error, 1)
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	select {
	case c := <-accepted:
		lib.client = protocol.NewClient(c)
		t.Cleanup(func() { lib.client.Close() })
		return lib, lib.client.WaitLaunch(context.Background())
	case <-wait(lib.cmd, ended):
		return lib, <-ended
	case <-time.After(time.Minute):
		t.Fatal("nothing happens")
	}
	return nil, nil
}

// wait returns a channel that is closed when a process that never connects has ended.
func wait(cmd *exec.Cmd, ended chan error) <-chan bool {
	gone := make(chan bool)
	go func() {
		for {
			var info unix.Siginfo
			// Without reaping, for others may wait too.
			err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
			if err != unix.EINTR {
				break
			}
		}
		select {
		case ended <- nil:
		default:
		}
		close(gone)
	}()
	return gone
}

func (l *library) ping(t *testing.T) {
	t.Helper()
	none := new(rpc.None)
	if err := l.client.Call(context.Background(), &protocol.Request{Proc: rpc.ProcPingDaemon, Args: rpc.Encoder(none)}); err != nil {
		t.Error(err)
	}
}

func image(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a, b.img")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func driveArgs(path string) []string {
	return []string{"-drive", "file=" + strings.ReplaceAll(path, ",", ",,") + ",cache=writeback,format=raw,id=hd0,if=none", "-device", "scsi-hd,drive=hd0"}
}

func TestLaunch(t *testing.T) {
	for name, end := range map[string]func(l *library){
		"SIGTERM": func(l *library) { l.cmd.Process.Signal(unix.SIGTERM) },
		"EOF":     func(l *library) { l.client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := start(t, driveArgs(image(t))...)
			if err != nil {
				t.Fatal(err)
			}
			l.ping(t)
			var s string
			a := &rpc.EchoDaemonArgs{Words: []string{"hello"}}
			err = l.client.Call(context.Background(), &protocol.Request{Proc: rpc.ProcEchoDaemon, Args: rpc.Encoder(a), Result: func(c *xdr.Codec) { c.String(&s) }})
			if s != "hello" || err != nil {
				t.Errorf("%q, %v", s, err)
			}
			end(l)
			if err := l.cmd.Wait(); err != nil {
				t.Error(err)
			}
			if l.console.Len() != 0 {
				t.Errorf("console: %s", &l.console)
			}
		})
	}
}

func TestVerbose(t *testing.T) {
	l, err := start(t, append(driveArgs(image(t)), "-append", "panic=1 guestfs_verbose=1 TERM=xterm")...)
	if err != nil {
		t.Fatal(err)
	}
	l.ping(t)
	l.client.Close()
	l.cmd.Wait()
	if !strings.Contains(l.console.String(), "ping_daemon") {
		t.Errorf("console: %s", &l.console)
	}
}

func TestLaunchFails(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"drive /dev/sda: open /nope.img: no such file": driveArgs("/nope.img"),
		"is a directory":             driveArgs(dir),
		`format "cow"`:               {"-drive", "file=/x,format=cow,id=hd0,if=none"},
		"protocol iscsi":             {"-drive", "file=iscsi://localhost/target/1,id=hd0,if=none"},
		"connection refused":         {"-drive", "file=nbd://localhost:1,id=hd0,if=none"},
		"no image in it":             {"-drive", "id=hd0"},
		"no socket of libguestfs on": {"-chardev", "socket,path=,id=channel0"},
	} {
		l, err := start(t, args...)
		if err != nil || l.client != nil {
			t.Errorf("%s: launched, %v", want, err)
			continue
		}
		err = l.cmd.Wait()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(l.console.String(), want) {
			t.Errorf("%s: %v, console %q", want, err, l.console.String())
		}
	}
}

// TestGuestfish launches through the library itself.
func TestGuestfish(t *testing.T) {
	guestfish, err := exec.LookPath("guestfish")
	if err != nil {
		t.Skip("no guestfish: install libguestfs-tools")
	}
	e := testEnv(t)
	img := image(t)
	for name, args := range map[string][]string{
		"format given": {"--format=raw", "-a", img},
		"no format":    {"-a", img},
		"read-only":    {"--ro", "--format=raw", "-a", img},
		"two drives":   {"--format=raw", "-a", img, "-a", image(t)},
	} {
		if name == "read-only" {
			if _, err := exec.LookPath("qemu-img"); err != nil {
				continue
			}
		}
		args = append(args, "run", ":", "ping-daemon", ":", "echo-daemon", "hello world", ":", "feature-available", "zerofree", ":", "get-pid")
		cmd := exec.Command(guestfish, args...)
		cmd.Env = append(os.Environ(), e.Variables()...)
		cmd.Env = append(cmd.Env, "LIBGUESTFS_CACHEDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != 3 || lines[0] != "hello world" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	cmd := exec.Command(guestfish, "--format=raw", "-a", img, "run", ":", "vgrename", "a", "b")
	cmd.Env = append(os.Environ(), e.Variables()...)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `libguestfs: error: vgrename: a -> b:   Volume group "a" not found`) {
		t.Errorf("%v\n%s", err, out)
	}
}
