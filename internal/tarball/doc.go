// Package tarball writes and reads tar archives with all that a Linux file
// system holds: holes, extended attributes, access control lists, devices,
// hard links, names of any bytes and length, numbers of any size.
//
// # What is written
//
// The pax interchange format of POSIX.1-2001, with an extended header only for
// what does not fit the ustar header. Extended attributes are SCHILY.xattr
// records, access control lists SCHILY.acl records too, files with holes in the
// GNU sparse format 1.0: what GNU tar, bsdtar and star understand.
//
// # What is read
//
// V7, ustar, pax and GNU archives, whoever wrote them: the sparse formats of
// old GNU tar, 0.0, 0.1 and 1.0, long names of GNU and pax, base-256 numbers,
// bsdtar's LIBARCHIVE.xattr records, Solaris' extended headers. An archive is
// not trusted: a size is believed once the bytes were there.
//
// # How it deviates from archive/tar
//
// Holes are reported to and by the caller, instead of zeros: a file of 8 TiB with
// one block of data is one block of work. Numbers stay numbers: a Header has a
// mode as stat(2) has it, not an fs.FileMode. Names stay bytes.
package tarball
