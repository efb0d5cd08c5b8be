// Package api holds the description of the libguestfs API, api.txt, and reads it.
//
// The description is the one source of what both ends of the protocol have to
// agree on: the numbers of the procedures, their parameters and results, the order
// of optional arguments, the fields of structures, the optional groups. Code is
// generated from it ([github.com/unboot/unboot/guestfs/internal/rpc], the dispatch of
// [github.com/unboot/unboot/guestfs/internal/server], docs/guestfs.md); no program reads it
// when it runs. Its format is explained at its top.
//
// Its content are facts of interoperability: recorded from the messages that the
// installed Perl binding sends (testdata/recorded.tsv, which a test compares), and
// read in guestfs(3), guestfs.h and the official Go binding of libguestfs 1.48.
package api
