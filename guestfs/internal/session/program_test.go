package session

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// A program is a process that libguestfs would have started.
type program struct {
	t       *testing.T
	c       *protocol.Client
	cmd     *exec.Cmd
	console bytes.Buffer
}

// start does what the library does: it listens, starts the program and waits.
func start(t *testing.T, image string) *program {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", dir)
	self, err := os.Executable()
	rig.Check(t, "executable", err)
	env, err := hv.FindEnv(self)
	rig.Check(t, "environment", err)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock")})
	rig.Check(t, "listen", err)
	defer l.Close()
	p := &program{t: t}
	p.cmd = exec.Command(env.HV, "-chardev", "socket,path="+l.Addr().String()+",id=channel0",
		"-drive", "file="+image+",cache=writeback,format=raw,id=hd0,if=none", "-device", "scsi-hd,drive=hd0")
	p.cmd.Stdout, p.cmd.Stderr = &p.console, &p.console
	rig.Check(t, "start", p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	l.SetDeadline(time.Now().Add(deadline))
	conn, err := l.Accept()
	rig.Check(t, "accept", err)
	p.c = protocol.NewClient(conn)
	t.Cleanup(func() { p.c.Close() })
	rig.Check(t, "launch", p.c.WaitLaunch(context.Background()))
	p.call(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	return p
}

func (p *program) call(proc uint32, a rpc.Args) {
	p.t.Helper()
	err := p.c.Call(context.Background(), &protocol.Request{Proc: proc, Args: rpc.Encoder(a), OptArgs: rpc.Given(a)})
	rig.Check(p.t, rpc.Lookup(proc).Name, err)
}

// upload writes a file.
func (p *program) upload(path string, in io.Reader) error {
	a := &rpc.UploadArgs{Remotefilename: path}
	return p.c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcUpload, Args: rpc.Encoder(a), In: in})
}

// wait waits for the end of the process, and of all that it has started: nobody has the
// image open any more.
func (p *program) wait(image string) error {
	p.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(deadline):
		p.t.Fatal("the program does not end")
	}
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		holders := users(image)
		if len(holders) == 0 {
			return err
		}
		if time.Now().After(end) {
			p.t.Fatalf("processes %v still have the image", holders)
		}
	}
}

// users returns the processes, but for this one, that have a file open.
func users(image string) (list []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, l := range links {
		pid := strings.Split(l, "/")[2]
		if target, err := os.Readlink(l); err == nil && target == image && pid != "self" {
			list = append(list, pid)
		}
	}
	return list
}

// blocks is what a file has that a test writes, n bytes.
func blocks(name string, n int) []byte {
	b := bytes.Repeat([]byte(name+"."), n/len(name)+1)
	return b[:n]
}

// ends are the ways in which a session ends. kept says that what was answered is in the
// image, though nobody has said sync.
var ends = []struct {
	name string
	kept bool
	do   func(p *program)
}{
	{"SIGTERM", true, func(p *program) { p.cmd.Process.Signal(unix.SIGTERM) }},
	{"SIGINT", true, func(p *program) { p.cmd.Process.Signal(unix.SIGINT) }},
	{"SIGHUP", true, func(p *program) { p.cmd.Process.Signal(unix.SIGHUP) }},
	{"end of the connection", true, func(p *program) { p.c.Close() }},
	{"both", true, func(p *program) { p.cmd.Process.Signal(unix.SIGTERM); p.c.Close() }},
	{"autosync and SIGKILL", true, func(p *program) {
		p.call(rpc.ProcInternalAutosync, &rpc.None{})
		p.cmd.Process.Kill()
	}},
	{"SIGTERM in an upload", true, func(p *program) {
		p.partly(func() { p.cmd.Process.Signal(unix.SIGTERM) })
	}},
	{"SIGTERM in a download", true, func(p *program) {
		a := &rpc.DownloadArgs{Remotefilename: "/dev/sda"}
		w := &writer{at: 4 << 20, do: func() { p.cmd.Process.Signal(unix.SIGTERM); time.Sleep(20 * time.Millisecond) }}
		p.c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcDownload, Args: rpc.Encoder(a), Out: w})
	}},
	{"death of the library in an upload", true, func(p *program) { p.partly(func() { p.c.Close() }) }},
	{"SIGKILL in an upload", false, func(p *program) { p.partly(func() { p.cmd.Process.Kill() }) }},
	{"SIGKILL", false, func(p *program) { p.cmd.Process.Kill() }},
}

// writer calls do when it has got so many bytes.
type writer struct {
	at int
	do func()
}

func (w *writer) Write(b []byte) (int, error) {
	if w.at > 0 {
		if w.at -= len(b); w.at <= 0 {
			w.do()
		}
	}
	return len(b), nil
}

// partly uploads a file and does something after a part of it.
func (p *program) partly(do func()) {
	p.upload("/partly", io.MultiReader(bytes.NewReader(blocks("partly", 3<<20)), &pause{do: do}, bytes.NewReader(blocks("partly", 1<<20))))
}

// pause is an empty file that does something when it is read.
type pause struct{ do func() }

func (p *pause) Read([]byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	p.do()
	time.Sleep(20 * time.Millisecond)
	return 0, io.EOF
}

// TestEnd ends sessions in all ways, and looks at what is in the image: what was answered
// is there, or, after SIGKILL, what was synced, as after a power cut.
func TestEnd(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		for i, end := range ends {
			if i%3 != 0 && fstype != "ext4" {
				continue // a third of them, SIGKILL in an upload last
			}
			t.Run(fstype+"/"+end.name, func(t *testing.T) {
				image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
				p := start(t, image)
				synced, answered := blocks("synced", 300<<10), blocks("answered", 200<<10)
				p.call(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/dir"})
				rig.Check(t, "upload", p.upload("/dir/synced", bytes.NewReader(synced)))
				p.call(rpc.ProcSync, &rpc.None{})
				rig.Check(t, "upload", p.upload("/dir/answered", bytes.NewReader(answered)))
				p.call(rpc.ProcLnS, &rpc.LnSArgs{Target: "answered", Linkname: "/dir/link"})
				end.do(p)
				err := p.wait(image)
				if end.kept && !strings.Contains(end.name, "SIGKILL") && err != nil {
					t.Errorf("%v\n%s", err, &p.console)
				}
				if left, _ := filepath.Glob(os.Getenv("TMPDIR") + "/*"); len(left) > 1 {
					t.Errorf("left %q", left) // besides the directory of hv.FindEnv
				}
				check(t, fstype, image)
				want := map[string][]byte{"/dir/synced": synced}
				if end.kept {
					want["/dir/answered"], want["/dir/link"] = answered, answered
				}
				compare(t, image, want)
			})
		}
	}
}

// compare reads the image in another session.
func compare(t *testing.T, image string, want map[string][]byte) {
	t.Helper()
	p := start(t, image)
	for path, content := range want {
		var got bytes.Buffer
		a := &rpc.DownloadArgs{Remotefilename: path}
		err := p.c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcDownload, Args: rpc.Encoder(a), Out: &got})
		if err != nil || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%s: %v, %d bytes, want %d", path, err, got.Len(), len(content))
		}
	}
	p.c.Close()
	rig.Check(t, "end", p.wait(image))
	check(t, strings.Split(t.Name(), "/")[1], image)
}

// check has the file system's own checker look at a copy, after the log was replayed
// where the checker does not do that by itself.
func check(t *testing.T, fstype, image string) {
	t.Helper()
	copied := testimg.Writable(t, image)
	switch fstype {
	case "ext4":
		testimg.Run("e2fsck", "-fp", copied) // replays
		testimg.MustRun(t, "e2fsck", "-fn", copied)
	case "xfs":
		// It refuses while there is something in the log: that is for the next session.
		if out, err := testimg.Run("xfs_repair", "-n", copied); err != nil && !strings.Contains(out, "log") {
			t.Errorf("%v", err)
		}
	case "btrfs":
		testimg.MustRun(t, "btrfs", "check", "--readonly", copied)
	}
}
