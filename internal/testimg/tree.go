package testimg

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Node is one name in a tree of files.
type Node struct {
	Path   string      // slash-separated, relative to the root, no "." or ".."
	Mode   fs.FileMode // type, permissions, setuid, setgid, sticky
	UID    int
	GID    int
	Mtime  time.Time         // whole seconds
	Size   int64             // of a regular file
	Chunks []Chunk           // a regular file's data; between them are holes
	Target string            // of a symbolic link
	LinkTo string            // path of an earlier node that this is a hard link to
	Major  uint32            // of a device
	Minor  uint32            // of a device
	Xattrs map[string]string // extended attributes, values may be binary
}

// Chunk is a run of data in a file.
type Chunk struct {
	Off  int64
	Data []byte
}

// Bytes returns what a regular file holds, holes as zeros.
func (n *Node) Bytes() []byte {
	b := make([]byte, n.Size)
	for _, c := range n.Chunks {
		copy(b[c.Off:], c.Data)
	}
	return b
}

// Pattern returns n bytes that look random and depend on the seed only, so that
// no compressor shortens them and no two blocks are alike.
func Pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	x := seed*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}

// capability is the security.capability value of cap_net_raw=ep, version 2, as
// ping has it.
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// OddTree returns the tree that Options.Tree puts into an image, parents before
// children. Without root it has no devices, foreign owners and security
// attributes, since nobody could make them.
func OddTree() []Node {
	b := builder{root: os.Geteuid() == 0}
	b.names()
	b.contents()
	b.nodes()
	b.modes()
	b.directories()
	return b.nodesMade
}

// builder collects the nodes of OddTree.
type builder struct {
	root      bool
	nodesMade []Node
}

func (b *builder) add(n Node) {
	if n.Mtime.IsZero() {
		// Even seconds: vfat knows no others.
		n.Mtime = epoch.Add(time.Duration(len(b.nodesMade)) * 2 * time.Second)
	}
	if n.Mode&fs.ModeDevice != 0 && !b.root {
		return
	}
	if !b.root {
		n.UID, n.GID = os.Getuid(), os.Getgid()
		delete(n.Xattrs, "security.capability")
		delete(n.Xattrs, "trusted.origin")
	}
	b.nodesMade = append(b.nodesMade, n)
}

func (b *builder) dir(path string) {
	b.add(Node{Path: path, Mode: fs.ModeDir | 0o755})
}

func (b *builder) file(path, data string) {
	n := Node{Path: path, Mode: 0o644, Size: int64(len(data))}
	if data != "" {
		n.Chunks = []Chunk{{0, []byte(data)}}
	}
	b.add(n)
}

// names adds file names that are hard to print, quote, encode or store.
func (b *builder) names() {
	b.dir("names")
	for _, name := range []string{
		"plain",
		"with space",
		" leading and trailing ",
		"UPPER.TXT",
		"lower.tar.gz",
		"-rf",
		"--help",
		"quote'\"`$(x)",
		"back\\slash",
		"star*?[a]",
		"new\nline",
		"tab\there",
		"bell\a\x1b[31m",
		"latin1-\xe9\xff",
		"utf8-äöü-日本語-🙂",
		"decomposed-e\u0301",
		".hidden",
		"...",
		"trailing.",
		"con",
		strings.Repeat("n", 255),
		strings.Repeat("ü", 127) + "u",
	} {
		b.file("names/"+name, name)
	}
}

// contents adds regular files by size and shape.
func (b *builder) contents() {
	b.dir("contents")
	b.file("contents/empty", "")
	b.file("contents/one", "x")
	b.file("contents/hello", "hello, world\n")
	// Around the sizes where file systems change how they store: inline,
	// one block, tail, several extents.
	for _, n := range []int{59, 60, 61, 511, 512, 513, 4095, 4096, 4097, 65536, 65537} {
		b.file(fmt.Sprintf("contents/size-%d", n), string(Pattern(n, uint64(n))))
	}
	b.file("contents/text", strings.Repeat("the quick brown fox jumps over the lazy dog\n", 3000))
	b.file("contents/zeros", strings.Repeat("\x00", 20000))
	b.file("contents/large", string(Pattern(1<<20+123, 7)))
	b.add(Node{Path: "contents/sparse", Mode: 0o644, Size: 16 << 20, Chunks: []Chunk{
		{0, Pattern(4096, 1)}, {5 << 20, Pattern(8192, 2)}, {16<<20 - 4096, Pattern(4096, 3)},
	}})
	b.add(Node{Path: "contents/all-hole", Mode: 0o644, Size: 3 << 20})
}

// nodes adds what is neither a file nor a directory, and hard links.
func (b *builder) nodes() {
	b.dir("nodes")
	link := func(name, target string) {
		b.add(Node{Path: "nodes/" + name, Mode: fs.ModeSymlink | 0o777, Target: target})
	}
	link("relative", "../contents/hello")
	link("absolute", "/contents/hello")
	link("up-and-out", "../../../../contents/hello")
	link("dangling", "nowhere")
	link("loop-a", "loop-b")
	link("loop-b", "loop-a")
	link("to-dir", "../contents")
	link("long", strings.Repeat("../nodes/", 90)+"relative")
	b.add(Node{Path: "nodes/fifo", Mode: fs.ModeNamedPipe | 0o600})
	b.add(Node{Path: "nodes/socket", Mode: fs.ModeSocket | 0o700})
	b.add(Node{Path: "nodes/null", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Major: 1, Minor: 3})
	b.add(Node{Path: "nodes/tty300", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o620, Major: 4, Minor: 300})
	b.add(Node{Path: "nodes/sda1", Mode: fs.ModeDevice | 0o660, Major: 8, Minor: 1})
	b.add(Node{Path: "nodes/link-a", Mode: 0o640, Size: 7, Chunks: []Chunk{{0, []byte("linked\n")}}})
	b.add(Node{Path: "nodes/link-b", LinkTo: "nodes/link-a"})
	b.add(Node{Path: "contents/link-c", LinkTo: "nodes/link-a"})
}

// modes adds permissions, owners, times and extended attributes.
func (b *builder) modes() {
	b.dir("modes")
	for _, n := range []Node{
		{Path: "setuid", Mode: fs.ModeSetuid | 0o755},
		{Path: "setgid", Mode: fs.ModeSetgid | 0o755},
		{Path: "none", Mode: 0},
		{Path: "write-only", Mode: 0o222},
		{Path: "user", Mode: 0o600, UID: 1000, GID: 1000},
		{Path: "big-ids", Mode: 0o644, UID: 100000, GID: 3000000},
		{Path: "year-1985", Mode: 0o644, Mtime: time.Unix(500000000, 0)},
		{Path: "year-2033", Mode: 0o644, Mtime: time.Unix(2000000000, 0)},
	} {
		n.Path = "modes/" + n.Path
		b.add(n)
	}
	b.add(Node{Path: "modes/sticky", Mode: fs.ModeDir | fs.ModeSticky | 0o777})
	b.add(Node{Path: "modes/setgid-dir", Mode: fs.ModeDir | fs.ModeSetgid | 0o775, GID: 50})
	b.add(Node{Path: "modes/xattrs", Mode: 0o755, Xattrs: map[string]string{
		"user.comment":        "a value with spaces",
		"user.binary":         "\x00\x01\xff\x00",
		"user.empty":          "",
		"security.capability": capability,
		"trusted.origin":      "unboot",
	}})
}

// directories adds a deep one and a wide one.
func (b *builder) directories() {
	path := "deep"
	b.dir(path)
	for i := range 24 {
		path += fmt.Sprintf("/d%02d", i)
		b.dir(path)
	}
	b.file(path+"/bottom", "bottom\n")
	b.dir("empty-dir")
	b.dir("wide")
	for i := range 400 {
		b.file(fmt.Sprintf("wide/entry-%03d", i), fmt.Sprintln(i))
	}
}

// describe returns all that a tree says, for the key of an image.
func describe(nodes []Node) string {
	var s bytes.Buffer
	for _, n := range nodes {
		fmt.Fprintf(&s, "%q %v %d %d %d %d %q %q %d %d %q\n", n.Path, n.Mode, n.UID, n.GID, n.Mtime.Unix(),
			n.Size, n.Target, n.LinkTo, n.Major, n.Minor, n.Xattrs)
		for _, c := range n.Chunks {
			fmt.Fprintf(&s, "%d %x\n", c.Off, c.Data)
		}
	}
	return s.String()
}
