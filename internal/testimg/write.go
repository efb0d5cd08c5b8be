package testimg

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteTree makes the nodes under a directory of the host.
func WriteTree(dir string, nodes []Node) error {
	for i := range nodes {
		if err := writeNode(dir, &nodes[i]); err != nil {
			return err
		}
	}
	// Directories last: making their entries has changed their times.
	for i := len(nodes) - 1; i >= 0; i-- {
		if n := &nodes[i]; n.Mode.IsDir() {
			if err := os.Chtimes(filepath.Join(dir, n.Path), n.Mtime, n.Mtime); err != nil {
				return err
			}
		}
	}
	return os.Chtimes(dir, epoch, epoch)
}

func writeNode(dir string, n *Node) error {
	path := filepath.Join(dir, n.Path)
	if n.LinkTo != "" {
		return os.Link(filepath.Join(dir, n.LinkTo), path)
	}
	if err := create(path, n); err != nil {
		return fmt.Errorf("make %q: %w", n.Path, err)
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, n.UID, n.GID); err != nil {
			return err
		}
	}
	if n.Mode&fs.ModeSymlink != 0 {
		return nil
	}
	for name, value := range n.Xattrs {
		if err := syscall.Setxattr(path, name, []byte(value), 0); err != nil {
			return fmt.Errorf("setxattr %q %s: %w", n.Path, name, err)
		}
	}
	// After chown, which clears setuid and setgid.
	if err := os.Chmod(path, n.Mode); err != nil {
		return err
	}
	return os.Chtimes(path, n.Mtime, n.Mtime)
}

// create makes the node itself; its owner, mode and times come after.
func create(path string, n *Node) error {
	switch {
	case n.Mode.IsDir():
		return os.Mkdir(path, 0o755)
	case n.Mode&fs.ModeSymlink != 0:
		return os.Symlink(n.Target, path)
	case n.Mode.IsRegular():
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, c := range n.Chunks {
			if _, err := f.WriteAt(c.Data, c.Off); err != nil {
				return err
			}
		}
		return f.Truncate(n.Size)
	}
	var kind uint32
	switch {
	case n.Mode&fs.ModeNamedPipe != 0:
		kind = syscall.S_IFIFO
	case n.Mode&fs.ModeSocket != 0:
		kind = syscall.S_IFSOCK
	case n.Mode&fs.ModeCharDevice != 0:
		kind = syscall.S_IFCHR
	default:
		kind = syscall.S_IFBLK
	}
	return syscall.Mknod(path, kind|0o600, makedev(n.Major, n.Minor))
}

// makedev puts a device number together as the kernel's new_encode_dev does.
func makedev(major, minor uint32) int {
	return int(minor&0xff | major<<8 | (minor&^0xff)<<12)
}
