package testimg

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tree is a list of nodes on its way to what a file system can hold.
type tree struct {
	nodes []Node
}

// TreeFor returns the part of [OddTree] that an image of the type holds when FS
// made it with Options.Tree: without the nodes, names, and attributes that
// either the file system or the tool that fills it does not know. It returns nil
// if images of the type cannot be filled.
func TreeFor(fstype string) []Node {
	r := recipes[fstype]
	if r.holds == nil {
		return nil
	}
	t := &tree{OddTree()}
	r.holds(t)
	return t.nodes
}

// keep drops the nodes that ok refuses, what is below them, and hard links to
// them.
func (t *tree) keep(ok func(n *Node) bool) {
	gone := map[string]bool{}
	t.nodes = slices.DeleteFunc(t.nodes, func(n Node) bool {
		if gone[path.Dir(n.Path)] || n.LinkTo != "" && gone[n.LinkTo] || !ok(&n) {
			gone[n.Path] = true
			return true
		}
		return false
	})
}

// each changes all nodes.
func (t *tree) each(change func(n *Node)) {
	for i := range t.nodes {
		change(&t.nodes[i])
	}
}

func (t *tree) dropXattrs()    { t.each(func(n *Node) { n.Xattrs = nil }) }
func (t *tree) dropHardLinks() { t.keep(func(n *Node) bool { return n.LinkTo == "" }) }

func everything(*tree) {}

// shorterNames: mkfs.erofs 1.5 cuts the last byte off names of 255 bytes and
// then does not find them.
func shorterNames(t *tree) { t.keep(func(n *Node) bool { return len(path.Base(n.Path)) < 255 }) }

// btrfsRootdir: older mkfs.btrfs --rootdir copies hard links and makes all devices 0:0.
func btrfsRootdir(t *tree) {
	t.dropHardLinks()
	t.keep(func(n *Node) bool { return n.Mode&fs.ModeDevice == 0 })
}

// protofile: see xfsProto.
func protofile(t *tree) {
	t.dropHardLinks()
	t.dropXattrs()
	t.keep(func(n *Node) bool {
		return !strings.ContainsAny(n.Path+n.Target, " \t\n") && n.Mode&fs.ModeSocket == 0 &&
			n.Mode&fs.ModeSticky == 0 && len(n.Target) < 300 && !strings.HasPrefix(path.Base(n.Path), ":")
	})
}

// sload fills f2fs images. It follows no special files.
func sload(t *tree) {
	t.dropHardLinks()
	t.dropXattrs()
	t.keep(func(n *Node) bool { return n.Mode.IsRegular() || n.Mode.IsDir() || n.Mode&fs.ModeSymlink != 0 })
}

// hfsPlus keeps names decomposed, and shows them composed.
func hfsPlus(t *tree) {
	joliet(t)
	t.keep(func(n *Node) bool {
		return !strings.ContainsFunc(path.Base(n.Path), func(r rune) bool { return unicode.Is(unicode.Mn, r) })
	})
}

// fatNames is what Windows' long names can hold.
func fatNames(t *tree) {
	t.dropHardLinks()
	t.dropXattrs()
	t.keep(func(n *Node) bool {
		name := path.Base(n.Path)
		return (n.Mode.IsRegular() || n.Mode.IsDir()) && utf8.ValidString(name) &&
			!strings.ContainsAny(name, "\\/:*?\"<>|") && !strings.ContainsFunc(name, unicode.IsControl) &&
			strings.TrimRight(name, ". ") == name && strings.TrimLeft(name, " ") == name &&
			!strings.ContainsRune(name, '🙂') && // mtools writes UCS-2
			!strings.EqualFold(name, "con") && len(name) < 255
	})
	t.each(func(n *Node) { n.UID, n.GID = 0, 0 })
	t.keep(func(n *Node) bool { return !strings.HasPrefix(n.Path, "modes/") })
}

// fatSmall leaves out the big files too.
func fatSmall(t *tree) {
	fatNames(t)
	t.keep(func(n *Node) bool { return n.Size < 2*mib })
}

// rockRidge is what POSIX names on a CD can hold.
func rockRidge(t *tree) {
	t.dropXattrs()
	t.keep(func(n *Node) bool {
		// Not UTF-8: the same image has a Joliet tree.
		return utf8.ValidString(n.Path) && n.Mode&fs.ModeSocket == 0 && len(path.Base(n.Path)) < 200 && len(n.Target) < 200 && len(n.Path) < 90
	})
}

// joliet is what Windows' names on a CD can hold.
func joliet(t *tree) {
	fatNames(t)
	t.keep(func(n *Node) bool {
		return utf8.RuneCountInString(path.Base(n.Path)) < 100 && strings.Count(n.Path, "/") < 7
	})
}

// cram is what fits cramfs's bit fields: 16-bit users, 8-bit groups, no times.
func cram(t *tree) {
	t.dropHardLinks()
	t.dropXattrs()
	t.keep(func(n *Node) bool {
		return n.UID < 1<<16 && n.GID < 1<<8 && len(path.Base(n.Path)) < 250 && n.Size < 15*mib
	})
}

// rom: romfs knows no owners, times or permissions but the execute bit.
func rom(t *tree) {
	t.dropXattrs()
	t.keep(func(n *Node) bool { return len(path.Base(n.Path)) < 128 && !strings.HasPrefix(n.Path, "modes/") })
	t.each(func(n *Node) { n.UID, n.GID = 0, 0 })
}

func ufs(t *tree) {
	t.dropXattrs()
	t.keep(func(n *Node) bool {
		return n.Mode&fs.ModeDevice == 0 && n.Mode&fs.ModeNamedPipe == 0 && n.Mode&fs.ModeSocket == 0
	})
}
