// Package asif reads images in the Apple Sparse Image Format, which macOS has since version 26,
// as a [disk.Device] that cannot be written to.
//
// Apple has published no specification. It follows what the dissect project's documentation
// says of the format: a header has the places of two directories, of which the one with the
// higher version counts. That has tables, and these the places of chunks of 1 MiB, most
// often. Among the entries of a table are some that are not of chunks of the disk.
//
// # Hostile images
//
// An image names no other files. Tables are read as they are needed, and kept in a cache of
// a fixed size. What cannot be is an error that wraps [ErrDamaged], at the time it is read.
package asif
