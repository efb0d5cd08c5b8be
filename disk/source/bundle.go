package source

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot/disk/parallels"
)

// bundle returns the host path of the file by which an image is opened that is a directory:
// one of Parallels has a descriptor. Any other path is returned as it is.
func bundle(path string) string {
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return path
	}
	descriptor := filepath.Join(path, parallels.DescriptorName)
	if st, err := os.Stat(descriptor); err != nil || !st.Mode().IsRegular() {
		return path
	}
	return descriptor
}

// namedPart returns the place of an image on this host: of IMAGE#NAME, that is the disk of
// that name in the image, unless there is a file which is called so.
func namedPart(path string) place {
	if i := strings.LastIndexByte(path, '#'); i > 0 && !exists(path) {
		if st, err := os.Stat(path[:i]); err == nil && st.Mode().IsRegular() && i+1 < len(path) {
			return place{name: path[:i], host: true, part: path[i+1:]}
		}
	}
	return place{name: path, host: true}
}

// IsImage reports whether a host path can be that of an image: anything but a directory, as a
// block device or a pipe gets its error when it is opened, a bundle that is one, and
// IMAGE#NAME. A colon ends that, for those who write a path in the image after one.
func IsImage(path string) bool {
	at := namedPart(bundle(path))
	st, err := os.Stat(at.name)
	return err == nil && !st.IsDir() && !strings.Contains(at.part, ":")
}
