// Package protocol is the transport of libguestfs's protocol, which its library and
// its daemon speak: both sides of it, over any connection.
//
// # Messages
//
// A message is a word with the length of what follows, and that many bytes in XDR: a
// header and arguments or results, or a chunk of a file. Three words that no length
// can have stand alone: LAUNCH, which the daemon sends once when it is ready, CANCEL,
// and PROGRESS, which 24 bytes follow. The library sends one call at a time and waits
// for the reply.
//
// # Files
//
// A call may carry one file, in either direction, as chunks of 8 KiB at most.
//
// To the daemon (FileIn) chunks follow the call, then comes the one reply. If the
// daemon fails it sends CANCEL, discards what still comes up to the chunk that says
// that the library has heard, and then replies with its error. If the library fails it
// sends a chunk that says so, and the daemon replies with an error.
//
// From the daemon (FileOut) the reply comes first, then chunks. An error afterwards is
// a chunk that says so, without a reason. To cancel, the library sends CANCEL; the
// daemon answers with such a chunk. This package sends nothing before the first
// [BatchSize] bytes are there, and so can still say what went wrong if that is early.
//
// CANCEL can cross with the end of a file; one that comes between calls is ignored.
//
// # Sides
//
// The daemon's side is [Server]: [Server.Serve] reads calls and gives each to a
// [Handler]. The library's side is [Client]. In both, one goroutine reads the
// connection, so that a CANCEL, or the death of the other side, is seen at once; it
// reads ahead no more than a fixed amount. [Local] calls a Server in the same program,
// and does without a connection.
//
// The layouts are those of guestfs-internals(1), COMMUNICATION PROTOCOL.
package protocol
