package mkfs

import "fmt"

// A maker says how the mkfs of a type is told what it has to know.
type maker struct {
	always    []string // to do it at all, on a file, and quickly
	label     string
	blocks    func(size, sector int) []string // "" if there is no such option
	sectors   string
	features  string
	inode     string
	partition func(start int64, sector int) []string // where it begins on the disk
	only512   bool                                   // on a file it cannot be told of other sectors
}

func option(o string) func(size, sector int) []string {
	return func(size, _ int) []string { return []string{o, fmt.Sprint(size)} }
}

var ext = maker{always: []string{"-F", "-q"}, label: "-L", blocks: option("-b"), features: "-O", inode: "-I"}

// makers are the types of which more is known than the name of the program.
var makers = map[string]maker{
	"ext2": ext, "ext3": ext, "ext4": ext, "ext4dev": ext,
	"xfs": {
		always: []string{"-f", "-q"}, label: "-L",
		blocks:  func(n, _ int) []string { return []string{"-b", fmt.Sprint("size=", n)} },
		inode:   "-isize=",
		sectors: "-ssize=",
	},
	"btrfs": {always: []string{"-f", "-q"}, label: "-L", blocks: option("-s"), features: "-O"},
	"vfat": {
		always: []string{"-I"}, label: "-n", sectors: "-S",
		blocks: func(n, sector int) []string { return []string{"-s", fmt.Sprint(n / sector)} },
		partition: func(start int64, sector int) []string {
			return []string{"-h", fmt.Sprint(start / int64(sector))}
		},
	},
	"ntfs": {
		always: []string{"-F", "-Q", "-q"}, label: "-L", blocks: option("-c"), sectors: "-s",
		partition: func(start int64, sector int) []string {
			return []string{"-p", fmt.Sprint(start / int64(sector)), "-H", "255", "-S", "63"}
		},
	},
	"exfat":    {label: "-L", blocks: option("-c"), only512: true},
	"f2fs":     {always: []string{"-f", "-q"}, label: "-l", features: "-O"},
	"reiserfs": {always: []string{"-f", "-f", "-q"}, label: "-l", blocks: option("-b")},
	"jfs":      {always: []string{"-q"}, label: "-L"},
	"nilfs2":   {always: []string{"-f", "-q"}, label: "-L", blocks: option("-b")},
	"gfs2":     {always: []string{"-O", "-q", "-p", "lock_nolock", "-j", "1"}, blocks: option("-b")},
	"minix":    {},
	"msdos": {
		always: []string{"-I"}, label: "-n", sectors: "-S",
		blocks: func(n, sector int) []string { return []string{"-s", fmt.Sprint(n / sector)} },
	},
}
