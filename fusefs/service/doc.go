// Package service is the program's side of libfuse's contained services, which it has since
// version 3.19: a program that mounts for users, fuservicemount3(8), has their rights, and root's
// to mount; one that reads the image has neither, and runs where it cannot do harm. They talk over
// a socket that systemd listens at. Over it the program gets a descriptor of /dev/fuse, asks for
// files, which are opened with the user's rights, and has itself mounted.
//
//	c, err := service.Accept()
//	if err != nil { … }
//	defer c.Close()
//	f, err := c.Open(c.Args()[1], unix.O_RDONLY)
//	…
//	m, err := fusefs.MountBy(ctx, fsys, c, dir, nil)
//	c.Goodbye(err)
//
// It speaks version 1 of the protocol: packets of a socket of the type SOCK_SEQPACKET, numbers in
// network order. The other side asks, once, what it is spoken to in; after that it answers.
//
// # Security
//
// Who may connect to the socket is at the other side, and need not be fuservicemount3: what comes
// is hostile. A descriptor that is said to be one of /dev/fuse is looked at; lengths and numbers
// are bounded; and a peer that is silent is given up on.
package service
