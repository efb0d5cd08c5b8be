// Package hive reads and edits the files that hold the registry of Windows
// ("hives", in the format called regf).
//
// A hive is a tree of keys, which hivex calls nodes. A node has a name, children,
// and values; a value has a name, which is empty for the node's default value, a
// [Type] and some bytes. Neither the type nor the encoding of the bytes is checked
// by anybody, so that a program may store what it likes under any type.
//
// There are two ways in. [Hive.Lookup] and [Key] suit a program that wants to know
// something:
//
//	h, err := hive.Open(file, size, 0)
//	…
//	key, err := h.Lookup("Microsoft", "Windows NT", "CurrentVersion")
//	…
//	name, err := key.String("ProductName")
//
// The methods of [Hive] that take a [NodeID] or a [ValueID] are those of the hivex
// library, with its meaning: hivex(3). Such a handle is the offset of a record in
// the file, as hivex's is, so that it can be handed around as a number; it is
// checked at each use. One that was never a handle, or no longer is, because the
// node was deleted or the values were replaced, gives [ErrHandle], as long as
// nothing new has come to lie at its place.
//
// # Reading
//
// [Open] reads nothing but the header: every call reads what it needs, in pieces of
// 64 KiB that are kept. A faulty hive can be read as far as its faults allow. One that
// is dirty ([Hive.Dirty]) is read as it is; [Recover] applies its transaction logs.
//
// Any number of goroutines may read a hive at the same time. One that edits it must
// be alone.
//
// # Writing
//
// A hive that was opened with [Write] is held in memory, edited there, and written
// as a whole by [Hive.Commit], to a place that the caller chooses.
//
// All of it is checked when it is opened. A sound hive is edited as Windows does:
// freed cells are used again. If a record cannot be read, or two own the same cell,
// [Hive.Faults] reports it, and the hive is edited as hivex does, which never uses
// a cell again: it only grows, and no fault becomes worse. If its bins do not make
// sense it cannot be edited at all.
//
// # Limits
//
// A hive has at most [MaxSize] bytes, a node's name 255 characters, a value's name
// 16383 (Windows's limits); a character is a unit of UTF-16. No call
// needs more memory than a small multiple of the hive's size.
//
// # Names
//
// Names are UTF-8 here and UTF-16, or its first 256 characters in a byte each, in
// the file. What is not valid UTF-16 reads as U+FFFD. Case does not matter, and is
// compared as Windows does: character by character, with no regard to language.
//
// Layout and numbers follow Maxim Suhanov's "Windows registry file format
// specification".
package hive
