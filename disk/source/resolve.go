package source

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
)

// Resolve returns the host path that QEMU takes the name in an image for: relative to the
// directory of the image, by the path by which it was opened (a symbolic link is not
// followed). It is "" if the name is not that of a file: one that is empty or has a zero
// byte, that begins with a protocol such as "nbd:" other than "file:", or with "json:".
func Resolve(image, name string) string {
	if strings.IndexByte(name, 0) >= 0 {
		return ""
	}
	if scheme, rest, ok := strings.Cut(name, ":"); ok && !strings.Contains(scheme, "/") {
		if scheme != fileScheme {
			return ""
		}
		// QEMU knows no authority here: of file:///x, all slashes are the path's.
		name = rest
		if name != "" && !filepath.IsAbs(name) {
			// With the prefix, it is relative to the working directory.
			return filepath.Clean(name)
		}
	}
	switch {
	case name == "":
		return ""
	case filepath.IsAbs(name):
		return name
	}
	// Not filepath.Join, which takes away ".." that follows a symbolic link.
	if slash := strings.LastIndexByte(image, '/'); slash >= 0 {
		return image[:slash+1] + name
	}
	return name
}

// InDirectory reports whether a file that an image names lies in the directory of the
// image or below it, and no symbolic link leads there.
func InDirectory(ref disk.Reference) bool {
	rel, err := filepath.Rel(filepath.Dir(ref.Image), ref.Path)
	// After a link, ".." leads to where the link does.
	if err != nil || ref.Path == "" || !filepath.IsLocal(rel) || slices.Contains(strings.Split(ref.Name, "/"), "..") {
		return false
	}
	for path := filepath.Clean(ref.Path); rel != "."; path, rel = filepath.Dir(path), filepath.Dir(rel) {
		if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSymlink != 0 {
			return false
		}
	}
	return true
}
