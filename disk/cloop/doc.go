// Package cloop reads compressed loopback images, as create_compressed_fs(1) of version 2
// makes them and Knoppix has used them, as a [disk.Device] that cannot be written to. It follows
// QEMU's block/cloop.c.
//
// After a shell script of 128 bytes come the offsets of blocks, which are compressed by zlib.
//
// # Hostile images
//
// An image names no other files. Offsets and blocks are read as they are needed, and kept in
// caches of a fixed size. What cannot be is an error that wraps [ErrDamaged], at the time it is
// read.
package cloop
