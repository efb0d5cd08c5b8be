package hosttool

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// SearchPath is where tools are looked for after $PATH, which often lacks sbin.
var SearchPath = []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"}

// A MissingError is the error of a program that the host does not have. It is
// [unix.ENOTSUP].
type MissingError struct{ Name string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("there is no program %s on this host", e.Name)
}

// Unwrap returns ENOTSUP.
func (e *MissingError) Unwrap() error { return unix.ENOTSUP }

// Find returns the host path of a program by its name, which is not a path. The error is a
// *[MissingError].
func Find(name string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return "", &MissingError{name}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range SearchPath {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{name}
}

// Has reports whether the host has all of some programs.
func Has(names ...string) bool {
	for _, name := range names {
		if _, err := Find(name); err != nil {
			return false
		}
	}
	return true
}
