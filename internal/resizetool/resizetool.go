// Package resizetool asks the programs that make file systems smaller, resize2fs(8) and
// ntfsresize(8), how small one can become. It only has their arguments, and understands their
// answers: they run on the library kernel, or on the host.
package resizetool

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/unboot/unboot/internal/lazyregexp"
)

var (
	extLeast  = lazyregexp.New(`(?m)^Estimated minimum size of the filesystem: ([0-9]+)$`)
	ntfsLeast = lazyregexp.New(`(?m)^You might resize at ([0-9]+) bytes`)
	ntfsFull  = lazyregexp.New(`(?m)ERROR: Volume is full`)
	ntfsSize  = lazyregexp.New(`(?m)^Current volume size: ([0-9]+) bytes`)
)

// Least returns the command that says how small the file system on a device can become, or nil
// if no program does for its type, as package probe calls it. The command changes nothing.
func Least(fstype, device string) []string {
	switch fstype {
	case "ext2", "ext3", "ext4", "ext4dev":
		return []string{"resize2fs", "-P", "-f", device}
	case "ntfs":
		return []string{"ntfsresize", "--info", "-ff", device}
	}
	return nil
}

// ParseLeast returns the size in bytes that is in the output of a command of [Least]. The block
// size of the file system is in bytes. failed is the error with which the command has ended: a
// full NTFS is one to it.
func ParseLeast(fstype, out string, blockSize int64, failed error) (int64, error) {
	find := func(re *regexp.Regexp, unit int64) (int64, error) {
		m := re.FindStringSubmatch(out)
		if m == nil {
			return -1, fmt.Errorf("cannot find the minimum size in what the tool says")
		}
		// A tool that was misled says anything: 47 bits of blocks are more than ext4 has.
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err == nil && n > (1<<62)/max(unit, 1) {
			err = strconv.ErrRange
		}
		return n * unit, err
	}
	switch full := fstype == "ntfs" && ntfsFull().MatchString(out); {
	case full:
		return find(ntfsSize(), 1)
	case failed != nil:
		return -1, failed
	case fstype == "ntfs":
		return find(ntfsLeast(), 1)
	}
	return find(extLeast(), blockSize)
}
