package hv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// transferEnv makes the program a daemon that knows nothing but to transfer files, of
// which the paths say what happens: /SIZE, or /SIZE/ERRNO for an error after SIZE bytes.
const transferEnv = "UNBOOT_TEST_TRANSFER"

type transferDaemon struct{}

func (transferDaemon) Transfer(proc uint32) protocol.Transfer { return rpc.Lookup(proc).Transfer }

func (transferDaemon) Handle(ctx context.Context, c *protocol.Call) error {
	switch c.Proc {
	case rpc.ProcDownload:
		var a rpc.DownloadArgs
		if err := rpc.Decode(&a, c.Args, c.OptArgs); err != nil {
			return err
		}
		size, failure := parseTransfer(a.Remotefilename)
		if _, err := io.CopyN(c.Out(), zeros{}, size); err != nil {
			return err
		}
		return failure
	case rpc.ProcUpload:
		var a rpc.UploadArgs
		if err := rpc.Decode(&a, c.Args, c.OptArgs); err != nil {
			return err
		}
		size, failure := parseTransfer(a.Remotefilename)
		if failure == nil {
			n, err := io.Copy(io.Discard, c.In())
			if err == nil && n != size {
				err = fmt.Errorf("%d bytes", n)
			}
			return err
		}
		io.CopyN(io.Discard, c.In(), size)
		return failure
	case rpc.ProcPingDaemon, rpc.ProcInternalAutosync:
		return nil
	}
	return errors.ErrUnsupported
}

func parseTransfer(path string) (size int64, failure error) {
	f := strings.Split(strings.TrimPrefix(path, "/"), "/")
	size, _ = strconv.ParseInt(f[0], 10, 64)
	if len(f) > 1 {
		failure = protocol.ErrnoByName(f[1])
	}
	return size, failure
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// transferMain is the program.
func transferMain(args []string) int {
	if Probe(args, os.Stdin, os.Stdout) {
		return 0
	}
	vm, err := Parse(args)
	if err != nil {
		return fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	conn, err := net.Dial("unix", vm.Socket)
	if err == nil {
		err = protocol.Launched(conn)
	}
	if err == nil {
		err = (&protocol.Server{Handler: transferDaemon{}}).Serve(ctx, conn)
	}
	if err != nil && ctx.Err() == nil {
		return fail(err)
	}
	return 0
}

// TestTransfers has the real library at the other end.
func TestTransfers(t *testing.T) {
	guestfish, err := exec.LookPath("guestfish")
	if err != nil {
		t.Skip("no guestfish: install libguestfs-tools")
	}
	e := testEnv(t)
	dir := t.TempDir()
	const big = 20 << 20
	for name, size := range map[string]int64{"empty": 0, "odd": 8193, "big": big} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := `run
-download /0 out
!stat -c %s out
-download /8193 out
!stat -c %s out
-download /20971520 out
!stat -c %s out
-download /100/EIO out
-download /5000000/EIO out
-download /99999999 /dev/full
ping-daemon
-upload empty /0
-upload odd /8193
-upload big /20971520
-upload big /1
-upload big /0/ENOSPC
-upload big /300000/ENOSPC
-upload empty /0/EROFS
-upload /nonexistent /0
-upload . /0
ping-daemon
`
	want := `0
8193
20971520
error: download: input/output error
error: file receive cancelled by daemon
error: /dev/full: write: No space left on device
error: file receive cancelled by daemon
error: upload: 20971520 bytes
error: upload: no space left on device
error: upload: no space left on device
error: upload: read-only file system
error: open: /nonexistent: No such file or directory
error: read: .: Is a directory
`
	cmd := exec.Command(guestfish, "--format=raw", "-a", image(t))
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), e.Variables()...)
	cmd.Env = append(cmd.Env, transferEnv+"=1", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var got strings.Builder
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, "libguestfs: "); ok {
			line = text
		}
		got.WriteString(line)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
