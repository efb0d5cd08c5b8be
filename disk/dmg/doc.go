// Package dmg reads Apple's disk images (UDIF), as hdiutil(1) makes them, as a [disk.Device]
// that cannot be written to.
//
// Apple has published no specification. It follows what is known of the format from those
// who wrote programs for it: a trailer of 512 bytes ("koly") says where a property list or, in
// old images, a resource fork is. That has tables of blocks ("mish"), most often one a
// partition, each of a part of the disk: stored, zeros, or compressed by ADC, zlib, bzip2,
// LZFSE or LZMA (UDCO, UDZO, UDBZ, ULFO, ULMO).
//
// Encrypted images, and those in several segments (.dmgpart), are refused. A sparse image or
// bundle is another format. What has no trailer is a raw disk.
//
// # Hostile images
//
// An image names no other files. Property list and tables are read when it is opened, with
// bounds on both. Blocks have up to 64 MiB, and are kept, decompressed, in a cache of a
// fixed size. What cannot be is an error that wraps [ErrDamaged], of blocks when they are read.
// Checksums are compared by [Check] only.
package dmg
