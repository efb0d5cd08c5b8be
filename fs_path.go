package unboot

import (
	"path"
	"strings"
)

// CleanPath makes a path of an [FS] from what a user writes: with slashes at
// the start, at the end and in doubles, and with "." and "..", which is taken
// away with the element before it, whatever that is.
//
//	"/etc//hosts" → "etc/hosts"    "/" → "."    "a/../../b/" → "b"
func CleanPath(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// validPath is fs.ValidPath for names of any bytes.
func validPath(name string) bool {
	if name == "." {
		return true
	}
	for {
		elem, rest, more := strings.Cut(name, "/")
		if elem == "" || elem == "." || elem == ".." {
			return false
		}
		if !more {
			return true
		}
		name = rest
	}
}

// join joins a directory's path, "" or "." for the root, and a name.
func join(dir, name string) string {
	if dir == "" || dir == "." {
		return name
	}
	return dir + "/" + name
}
