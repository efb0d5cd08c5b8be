// Package nbd is the Network Block Device protocol, both halves of it: a client that reads
// and writes the exports of servers such as qemu-nbd(8) and nbdkit(1) as a [disk.Device], and
// a [Server] that exports any such device.
//
// It follows doc/proto.md of the NetworkBlockDevice project, the fixed newstyle handshake
// with structured replies, block status (the context "base:allocation") and STARTTLS; and
// doc/uri.md for addresses: nbd://HOST[:PORT]/EXPORT, nbds:// for TLS, and
// nbd+unix:///EXPORT?socket=PATH and nbds+unix:// for sockets of this host. Extended headers,
// vsock and pre-shared keys of TLS are not supported.
//
// # Connections that break
//
// A client connects again when its connection is lost, for as long as [Options.Patience]
// says, and sends again what was not answered. What was written but not flushed is kept
// until it is flushed, and written again to the server that is then there: it may have lost
// what it had in memory. So a server can be restarted under a client that writes, and
// [Device.Flush] still means what it says. An export that comes back with another size is an
// error.
//
// # Hostile peers
//
// Neither half believes the other one. All lengths are checked before memory is taken, a
// server's data must be what was asked for, once and all of it, and a peer that does not
// answer in time, or sends a byte from time to time, is given up.
package nbd
