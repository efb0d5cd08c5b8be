// The program of package netproc: a network for the packets of one socket.
package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/netproc/wire"
	"github.com/unboot/unboot/usernet"
)

// The bounds of the process: files, and memory that makes the collector run.
const (
	maxFiles  = 1024
	softLimit = 512 << 20
)

func main() {
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{})
	unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: maxFiles, Max: maxFiles})
	debug.SetMemoryLimit(softLimit)
	if err := serve(os.Args[1:]); err != nil {
		json.NewEncoder(os.Stdout).Encode(wire.Hello{Error: err.Error()})
		os.Exit(1)
	}
}

// serve returns an error of the start. That the socket is closed is the end, and no error.
func serve(allow []string) error {
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	n, err := usernet.New(usernet.Config{Allow: allow, Refused: func(to netip.AddrPort, why error) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(wire.Refusal{To: to, Why: why.Error()})
	}})
	if err != nil {
		return err
	}
	conn, err := wire.Conn(wire.Socket)
	if err != nil {
		return err
	}
	out.Encode(wire.Hello{Addresses: n.Addresses(), Gateways: n.Gateways(), MTU: n.MTU(), Resolv: n.ResolvConf()})
	n.Serve(context.Background(), conn)
	return nil
}
