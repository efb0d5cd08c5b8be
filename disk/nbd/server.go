package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/cause"
)

// MaxClients is how many clients a [Server] has at a time. More must wait.
const MaxClients = 64

// A Share is a disk that a [Server] exports.
type Share struct {
	Name        string // "" is the default export
	Description string
	Device      disk.Device
	Writable    bool
}

// A Server exports disks. It must not be changed once it serves.
type Server struct {
	// Shares are what is exported, with different names. The first one is also the default.
	Shares []Share
	// TLS is how the server does TLS, without which no client is served then; nil for none.
	// See [ServerTLS].
	TLS *tls.Config
	// Log is told of clients that did not keep to the protocol or could not be served. It
	// may be called from several goroutines at once, and be nil.
	Log func(client string, err error)
}

// Serve serves clients until ctx ends, or accepting them fails. It closes the listener, and
// returns when there are no clients any more. Devices are flushed when a client that could
// write is gone, and are not closed. The error is the cause of ctx or that of the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(net.ErrClosed)
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	slots := make(chan struct{}, MaxClients)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return cause.Of(ctx)
		}
		c, err := l.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil {
				return cause.Of(ctx)
			}
			if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
				continue
			}
			return err
		}
		clients.Go(func() {
			defer func() { <-slots }()
			if err := s.ServeConn(ctx, c); err != nil && s.Log != nil && ctx.Err() == nil {
				s.Log(c.RemoteAddr().String(), err)
			}
		})
	}
}

// ServeConn serves one client, and closes the connection.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	h := &host{Conn: c, server: s, r: bufio.NewReaderSize(c, 64<<10)}
	// A client that says nothing must not take a place for ever.
	c.SetDeadline(time.Now().Add(handshakeTime))
	share, err := h.haggle(ctx)
	if err != nil || share == nil {
		return err
	}
	h.SetDeadline(time.Time{})
	t := newTransmission(h, share)
	err = t.serve(ctx)
	if share.Writable {
		err = errors.Join(err, share.Device.Flush())
	}
	return err
}

// share returns what is exported by a name, or nil.
func (s *Server) share(name string) *Share {
	for i := range s.Shares {
		if s.Shares[i].Name == name {
			return &s.Shares[i]
		}
	}
	if name == "" && len(s.Shares) > 0 {
		return &s.Shares[0]
	}
	return nil
}

// export returns what a client is told of a share.
func (s *Share) export() Export {
	e := newExport(s.Name)
	e.Description, e.Size, e.ReadOnly, e.sized = s.Description, s.Device.Size(), !s.Writable, true
	e.flags = exportHasFlags | exportFlush | exportFUA | exportDF | exportMultiConn
	if !s.Writable {
		e.flags |= exportReadOnly
	} else {
		e.flags |= exportWriteZeroes
		if _, ok := disk.As[disk.Discarder](s.Device); ok {
			e.flags |= exportTrim
		}
	}
	if b, ok := disk.As[disk.SectorSizer](s.Device); ok && b.SectorSize() > 1 {
		e.MinBlock = uint32(b.SectorSize())
		e.PreferredBlock = max(e.PreferredBlock, e.MinBlock)
		e.Size = e.usable()
	}
	return e
}
