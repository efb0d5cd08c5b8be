// Package sfdisk does what lines of sfdisk(8) say to a partition table, and lists tables as
// it does.
//
// A line is "start,size,type,bootable", or the same separated by blanks, all of which may
// be left out; the forms with names ("start=2048") are not read. Where it deviates: sizes
// and places have no suffixes for units, since the caller says what the unit is.
package sfdisk
