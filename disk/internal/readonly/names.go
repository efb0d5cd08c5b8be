package readonly

import (
	"fmt"
	"path"
	"strings"

	"github.com/unboot/unboot/disk"
)

// Beside returns the name, as an image would have it, of a file in the directory of the
// image. (One with a colon is not to be taken for a protocol.)
func Beside(name string) string {
	if strings.Contains(name, ":") {
		return "./" + name
	}
	return name
}

// Base returns the name of an image in its directory.
func Base(image string) string { return path.Base(image) }

// Path returns the host path of an image that is a file of the host, or "".
func Path(d disk.Device) string {
	if p, ok := disk.As[interface{ Path() string }](d); ok {
		return p.Path()
	}
	return ""
}

// Choose returns the one of the disks of an image that has a name, or the only one if name is
// "". Its error wraps kind, and lists them.
func Choose(names []string, name string, kind error) (string, error) {
	for _, n := range names {
		if n == name || name == "" && len(names) == 1 {
			return n, nil
		}
	}
	list := "none"
	if len(names) > 0 {
		list = strings.Trim(fmt.Sprintf("%q", names), "[]")
	}
	switch {
	case name != "":
		return "", fmt.Errorf("%w: there is no disk %q; it has: %s", kind, name, list)
	case len(names) == 0:
		return "", fmt.Errorf("%w: it has none", kind)
	}
	return "", fmt.Errorf("%w: it has %s; name one, as IMAGE#%s", kind, list, names[0])
}
