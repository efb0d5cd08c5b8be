// Package ewf reads images in the Expert Witness Compression Format, of EnCase, FTK Imager,
// ewfacquire(1) and others, as a [disk.Device] that cannot be written to.
//
// It follows ASR Data's "Expert Witness Compression Format Specification" and the libyal
// project's "Expert Witness Compression Format (EWF)", for EWF-E01 and EWF-S01. Those of
// version 2 (.Ex01) and of files (.L01) are not read.
//
// An image is one or more segments, files with the names IMAGE.E01, IMAGE.E02 … IMAGE.E99,
// IMAGE.EAA …, each of them sections. Any of the segments opens the image. The disk is
// chunks of 32 KiB, most often, with a checksum each, that tables of offsets find. Checksums
// of chunks, which are Adler-32 of those not compressed, too, are verified whenever a chunk is
// read, and those of tables and of sections as well. The hash sums of the whole disk are not
// looked at, except by [Check]; [Image.Hashes] returns them.
//
// # Hostile images
//
// The names of the other segments are derived from that of the image: they are the same
// but for the extension. They are opened by a rule of package source all the same.
//
// Memory is bounded, whatever the image claims: it has up to 65536 segments and
// [MaxTables] tables; tables and chunks are read as they are needed, and kept in caches of
// a fixed size. What cannot be is an error that wraps [ErrDamaged], at the time it is read.
package ewf
