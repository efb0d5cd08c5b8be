// Package part reads and writes partition tables: GPT and MBR ("dos"), with its
// logical partitions.
//
// The kernel has a scanner of its own; partitions that only this package finds (from a
// GPT's backup, or with high numbers) are added to the kernel's. This package reports
// what that scanner does not: types, names, attributes, and what is odd about a table
// ([Table.Problems]), in particular on a disk image that was truncated, resized or copied
// to sectors of another size. Numbers and PARTUUIDs are the kernel's and blkid's.
//
// [New] and [Edit] return an [Editor], which makes tables and changes them: in memory
// first, and then in an order of writes that leaves a usable table at any time
// ([Editor.Plan]).
//
// Tables are taken to be hostile. Memory and the number of reads are bounded,
// whatever a table claims, and an editor refuses to write where a partition is.
package part

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNoTable says that there is no partition table on the disk.
var ErrNoTable = errors.New("no partition table")

// Table is a disk's partition table.
type Table struct {
	Type       string      // "gpt" or "dos"
	ID         string      // the disk's GUID in lower case, or 8 hexadecimal digits
	SectorSize int         // the table counts in sectors of so many bytes
	Partitions []Partition // in the order of their numbers
	Problems   []string    // what is odd, in words for people

	// Unannounced says that no MBR speaks of this GPT. Linux and blkid ignore it then:
	// it may be left from an earlier use of the disk.
	Unannounced bool
}

// Partition is one entry of a table.
type Partition struct {
	Number     int    // as in the device's name: 1 in sda1
	Start      int64  // bytes from the start of the disk
	Size       int64  // bytes
	Type       string // the type's GUID in lower case, or 0x and two hexadecimal digits
	TypeName   string // for people; "" if the type is not a known one
	Name       string // that GPT has for it
	UUID       string // PARTUUID: a GUID in lower case, or the disk's ID and the number ("1234abcd-02")
	Bootable   bool   // active, for BIOS
	Attributes uint64 // of GPT
	Extended   bool   // holds the logical partitions, not data
}

// End returns the offset of the first byte after the partition.
func (p *Partition) End() int64 { return p.Start + p.Size }

// problem notes what is odd.
func (t *Table) problem(format string, args ...any) {
	if len(t.Problems) < maxProblems {
		t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
	}
}

// maxProblems is how many problems of one table are reported. More would not help anybody
// to see what is wrong, and a hostile table could have thousands.
const maxProblems = 32

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)
