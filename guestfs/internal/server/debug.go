package server

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Debug answers the sub-commands that make sense. The one that runs a command has the
// host's tools, and what is mounted in /sysroot, as in the appliance.
func (s *Server) Debug(ctx context.Context, a *rpc.DebugArgs) (string, error) {
	switch a.Subcmd {
	case "help":
		return "commands supported in unboot:\nenv\nerror\nfds\nhelp\nmem\nprint\nprogress\nsh\nsyslog\n", nil
	case "sh":
		return s.debugShell(ctx, a.Extraargs)
	case "setenv", "spew":
		return "", nil
	case "env":
		return "", nil
	case "error":
		return "", debugError(a.Extraargs)
	case "fds":
		return "", nil
	case "mem":
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return fmt.Sprintf("heap %d\nsys %d\n", m.HeapAlloc, m.Sys), nil
	case "print":
		// To the console, of which programs see the verbose one.
		s.logf("%s", strings.Join(a.Extraargs, " "))
		return "ok", nil
	case "progress":
		return s.debugProgress(ctx, a.Extraargs)
	case "syslog":
		return s.Dmesg(ctx)
	}
	return "", errorf("unknown sub-command %q: debug help lists those that there are", a.Subcmd)
}

// debugShell runs a command of the shell.
func (s *Server) debugShell(ctx context.Context, args []string) (string, error) {
	if len(args) == 0 {
		return "", errorf("sh: expecting a command to run")
	}
	if s.rescue.bind(args) {
		return "", nil
	}
	out, _, err := s.runProgram(ctx, program{name: "sh", args: shell(strings.Join(args, " "))[1:], tree: s.mounted()})
	return out, err
}

// debugError returns an error with a text of a length, and an errno that no other has, for
// tests of libraries.
func debugError(args []string) error {
	const most = 1000000
	if len(args) != 1 {
		return errorf("debug error: expecting one arg: length of error message")
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return errorf("debug error: expecting one arg: length of error message")
	}
	if n > most {
		return errorf("debug error: length argument too large")
	}
	return &protocol.Error{Name: "EROFS", Message: strings.Repeat("a", int(n))}
}

// debugProgress reports progress for some seconds, for tests of libraries.
func (s *Server) debugProgress(ctx context.Context, args []string) (string, error) {
	secs := 0
	if len(args) < 1 || len(args) > 2 {
		return "", errorf("progress: expecting arg (time in seconds)")
	}
	if _, err := fmt.Sscan(args[0], &secs); err != nil || secs < 0 || secs > 3600 {
		return "", errorf("progress: could not parse time in seconds")
	}
	const perSecond = 10
	steps := secs * perSecond
	for i := range steps {
		select {
		case <-time.After(time.Second / perSecond):
			progress(ctx, uint64(i+1), uint64(steps))
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "ok", nil
}

// Dmesg returns the kernel's log.
func (s *Server) Dmesg(ctx context.Context) (string, error) {
	img, err := s.image()
	if err != nil {
		return "", err
	}
	log := img.Kernel().Dmesg()
	if over := len(log) - (protocol.MessageMax - 4096); over > 0 {
		log = log[over:]
	}
	return strings.ToValidUTF8(log, "?"), nil
}

// DropCaches makes the kernel forget what it has read.
func (s *Server) DropCaches(ctx context.Context, a *rpc.DropCachesArgs) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	k := img.Kernel()
	fd, err := k.Open("/proc/sys/vm/drop_caches", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil // a kernel without it: it is only advice
	}
	if err != nil {
		return perror(err, "/proc/sys/vm/drop_caches")
	}
	defer k.CloseFd(fd)
	if _, err := k.Write(fd, fmt.Appendf(nil, "%d\n", a.Whattodrop)); err != nil {
		return perror(err, "/proc/sys/vm/drop_caches")
	}
	return nil
}
