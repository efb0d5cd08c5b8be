package hv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/server"
)

// Name is the name under which a program is what LIBGUESTFS_HV names: that takes no
// arguments.
const Name = "unboot-hv"

// Invoked reports whether a program was started under that name.
func Invoked(arg0 string) bool { return filepath.Base(arg0) == Name }

// Main does what the arguments of a virtual machine say and returns the exit code.
// Should qemu be asked for, it does not return: qemu takes the process over.
func Main(args []string) int {
	if qemu := os.Getenv(fallbackEnv); qemu != "" {
		return fail(execQemu(qemu, args))
	}
	if Probe(args, os.Stdin, os.Stdout) {
		return 0
	}
	vm, err := Parse(args)
	if err != nil {
		return fail(err)
	}
	if err := Serve(vm, os.Stderr); err != nil {
		if vm.Rescue { // the user sees the console
			fmt.Fprintf(os.Stderr, "\r\n%s: %v\r\n", Name, err)
			return 1
		}
		return fail(err)
	}
	return 0
}

// fail prints an error to the console, which the library shows with LIBGUESTFS_DEBUG, and
// tells the user, who did not ask for that.
func fail(err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", Name, err)
	report(err.Error())
	return 1
}

// Serve is the daemon of a virtual machine until its library goes away, the shell of
// virt-rescue ends, or a signal to end comes. console gets what programs see with
// LIBGUESTFS_DEBUG.
func Serve(vm *VM, console io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer stop()
	// Who has read the console may be gone. That must not end this process before all is written.
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	c := server.Config{Drives: vm.Drives, Network: vm.Network, Tell: report}
	if vm.Rescue {
		c.Console = newConsole(vm)
		console = crlf{console}
	}
	if vm.Verbose {
		c.Log = func(line string) { fmt.Fprintln(console, line) }
	}
	s, err := server.New(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: vm.Socket})
	if err != nil {
		return fmt.Errorf("the library's socket: %w", err)
	}
	if err := protocol.Launched(conn); err != nil {
		conn.Close()
		return err
	}
	err = s.Serve(ctx, conn)
	if ctx.Err() != nil || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // the library is gone, or wants us gone
	}
	return err
}
