package testimg

import (
	"io/fs"
	"os"
	"testing"
)

// What is in [Busybox] for tests to look for.
const (
	BusyboxHostname = "busybox-test"
	// BusyboxUser is in the group of its own, 1000, and in BusyboxGroup, 50.
	BusyboxUser  = "user"
	BusyboxGroup = "staff"
)

// Busybox returns the host path of a shared image of a small guest on ext4, whose programs are
// all one, busybox, linked statically: the smallest in which a shell runs. more is added to it.
func Busybox(t testing.TB, more ...Node) string {
	t.Helper()
	Need(t, "busybox")
	path, err := Tool("busybox")
	check(t, err)
	program, err := os.ReadFile(path)
	check(t, err)
	dir := func(name string, mode fs.FileMode) Node {
		return Node{Path: name, Mode: fs.ModeDir | mode, Mtime: epoch}
	}
	file := func(name, text string, mode fs.FileMode) Node {
		return Node{Path: name, Mode: mode, Mtime: epoch, Size: int64(len(text)), Chunks: []Chunk{{Data: []byte(text)}}}
	}
	nodes := []Node{
		dir("bin", 0o755), dir("dev", 0o755), dir("etc", 0o755), dir("home", 0o755), dir("proc", 0o755), dir("root", 0o700),
		dir("run", 0o755), dir("sys", 0o755), dir("tmp", 0o777|fs.ModeSticky), dir("usr", 0o755), dir("usr/bin", 0o755),
		file("bin/busybox", string(program), 0o755),
		file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"+BusyboxUser+":x:1000:1000::/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", 0o644),
		file("etc/group", "root:x:0:\n"+BusyboxGroup+":x:50:other,"+BusyboxUser+"\nuser:x:1000:\n", 0o644),
		file("etc/hostname", "# the name\n"+BusyboxHostname+"\n", 0o644),
	}
	for _, name := range []string{"cat", "chmod", "df", "dd", "echo", "env", "false", "head", "hostname", "id", "kill", "ls", "mkdir", "mount",
		"mknod", "ps", "pwd", "readlink", "rm", "sh", "sleep", "stat", "stty", "sync", "touch", "true", "tty", "umount", "wc", "yes"} {
		nodes = append(nodes, Node{Path: "bin/" + name, Mode: fs.ModeSymlink | 0o777, Mtime: epoch, Target: "busybox"})
	}
	return FS(t, "ext4", Options{Size: 64 << 20, Tree: true, Nodes: append(nodes, more...)})
}
