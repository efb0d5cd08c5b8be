// Package cache keeps blocks of a device that is slow to reach, such as one behind a network,
// in memory or in files of the host. It is a [disk.Wrapper].
//
// Several readers of a block wait for one request ([Device.ReadAt] is single flight), and
// blocks that are missing side by side are fetched by one request.
//
// # Reading ahead
//
// A request takes the time of a round trip, and a line is idle in between. So more is fetched
// than was asked for, as far as it is likely to be read: what follows a place at which reading
// has gone on before, and the more the longer that has lasted. What is read at random is
// fetched in single blocks.
//
// # Files
//
// With [Options.Dir], blocks are kept in sparse files and found again by later runs, for the
// same address and, since the address does not say what is there, the same version of it: its
// ETag, say. Each block has a checksum, so that a file that was not written to the end before
// the host lost power gives no wrong bytes. Several processes can use the same folder.
// With [Options.DirSize], what was not used for the longest time makes room for what is new.
package cache
