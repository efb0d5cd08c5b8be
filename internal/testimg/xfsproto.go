package testimg

import (
	"fmt"
	"io/fs"
	"path"
)

// xfsProto returns mkfs.xfs's description of a tree; see mkfs.xfs(8), -p. It
// has no way to write white space in names, hard links, times or attributes.
func xfsProto(dir string, nodes []Node) []byte {
	var b []byte
	line := func(depth int, format string, args ...any) {
		b = append(b, fmt.Sprintf("%*s", depth, "")...)
		b = fmt.Appendf(b, format+"\n", args...)
	}
	line(0, "/")
	line(0, "0 0")
	line(0, "d--755 0 0")
	protoDir(dir, ".", nodes, 1, line)
	line(0, "$")
	return b
}

// children returns the nodes of a directory.
func children(nodes []Node, dir string) []*Node {
	var in []*Node
	for i := range nodes {
		if path.Dir(nodes[i].Path) == dir {
			in = append(in, &nodes[i])
		}
	}
	return in
}

// protoDir writes the lines of a directory's entries for xfsProto.
func protoDir(root, dir string, nodes []Node, depth int, line func(int, string, ...any)) {
	for _, n := range children(nodes, dir) {
		mode := []byte("---000")
		mode[0] = protoType(n.Mode)
		if n.Mode&fs.ModeSetuid != 0 {
			mode[1] = 'u'
		}
		if n.Mode&fs.ModeSetgid != 0 {
			mode[2] = 'g'
		}
		for i := range 3 {
			mode[3+i] = '0' + byte(n.Mode.Perm()>>(6-3*i)&7)
		}
		var tail string
		switch mode[0] {
		case '-':
			tail = path.Join(root, n.Path)
		case 'l':
			tail = n.Target
		case 'b', 'c':
			tail = fmt.Sprint(n.Major, " ", n.Minor)
		}
		line(depth, "%s %s %d %d %s", path.Base(n.Path), mode, n.UID, n.GID, tail)
		if n.Mode.IsDir() {
			protoDir(root, n.Path, nodes, depth+1, line)
			line(depth, "$")
		}
	}
}

func protoType(mode fs.FileMode) byte {
	switch {
	case mode.IsDir():
		return 'd'
	case mode&fs.ModeSymlink != 0:
		return 'l'
	case mode&fs.ModeNamedPipe != 0:
		return 'p'
	case mode&fs.ModeCharDevice != 0:
		return 'c'
	case mode&fs.ModeDevice != 0:
		return 'b'
	}
	return '-'
}
