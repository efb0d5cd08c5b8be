// Package usernet is a network for programs that run on the library kernel, in user mode: it
// takes IP packets, and what they carry goes on in sockets of this process, as with slirp or
// passt. It needs no privilege, makes no interface on the host and no connection into the
// guest. The TCP/IP of this side is that of gVisor.
//
// # What the guest sees
//
//	10.0.2.15/24            its own address
//	10.0.2.2                the gateway, which answers to ping(8)
//	10.0.2.3                the name server
//	fd75:6e62:6f6f:74::15   and so on: the same in IPv6, where the host has a route for that
//
// TCP and UDP go out. ICMP ends at the gateway. Fragments, multicast and all other protocols
// are dropped; the link's MTU is that of IP itself, so that there are no fragments.
//
// # What it may reach
//
// Unless [Config.Allow] says otherwise: addresses of the public internet, and no others. Not
// the host itself, whatever address it is known by, not private networks, not link-local
// addresses, where the metadata services of clouds are. That is decided by the address to
// which this process connects, whatever name the guest has found it by. DNS queries go to
// the host's own name servers, wherever those are, but only as queries.
package usernet
