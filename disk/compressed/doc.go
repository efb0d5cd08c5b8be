// Package compressed reads raw images that were compressed as a whole, by gzip(1), bzip2(1),
// xz(1), zstd(1) or lzop(1), as a [disk.Device] that cannot be written to.
//
// Where the file has pieces that can be decompressed alone, and says where they are, it is
// read by these: the blocks of xz -T or --block-size, the frames of the seekable format of
// zstd, and the blocks of bgzip(1) and lzop(1). Everything else is decompressed once, when it is opened,
// to a file without a name in the directory for temporary files (TMPDIR), where zeros
// take up no room.
//
// What is decompressed is a raw disk. An image of another format, or an archive, is refused.
//
// # Hostile images
//
// An image names no other files. What it decompresses to can be much larger than it is: it is
// read in pieces of up to 64 MiB, of which up to 128 MiB are kept in memory, or it takes up
// as much of the file system for temporary files as there is. An index has up to [MaxPieces]
// entries. Damage is an error that wraps [ErrDamaged], of pieces at the time they are read.
package compressed
