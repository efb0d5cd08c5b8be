// Package appliance names the files of the virtual machine that libguestfs runs, and the
// options by which qemu gets them. It serves both ends: the Go package, which starts such a
// machine, and the program that stands in qemu's place, which recognizes its options.
package appliance

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/unboot/unboot/volume/probe"
)

// Disk is the id of the drive with the root file system, among those of qemu.
const Disk = "appliance"

// Files are host paths of what a machine is started with.
type Files struct {
	Kernel, Initrd string
	Root           string // image of the root file system, or "" if it is in Initrd
}

// CPU returns what qemu and the files of an appliance call the host's processor.
func CPU() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// In returns the files of a directory that supermin(1) or libguestfs-make-fixed-appliance(1)
// has filled.
func In(dir string) Files {
	return Files{filepath.Join(dir, "kernel"), filepath.Join(dir, "initrd"), filepath.Join(dir, "root")}
}

// OldIn returns the files of a directory with an appliance of the form that libguestfs had
// before supermin. It still looks for them.
func OldIn(dir string) Files {
	return Files{Kernel: filepath.Join(dir, "vmlinuz."+CPU()), Initrd: filepath.Join(dir, "initramfs."+CPU()+".img")}
}

// Cached returns the directory below cache in which libguestfs has supermin make an
// appliance for this user, and the files that are there afterwards.
func Cached(cache string) (dir string, f Files) {
	dir = filepath.Join(cache, fmt.Sprintf(".guestfs-%d", os.Geteuid()))
	return dir, In(filepath.Join(dir, "appliance.d"))
}

// Exist reports whether all of the files are there.
func (f Files) Exist() bool {
	for _, name := range []string{f.Kernel, f.Initrd, f.Root} {
		if name == "" {
			continue
		}
		if _, err := os.Stat(name); err != nil {
			return false
		}
	}
	return true
}

// RootUUID returns the UUID of the root file system, by which the kernel finds it. Errors
// are *fs.PathError.
func (f Files) RootUUID() (string, error) {
	r, err := os.Open(f.Root)
	if err != nil {
		return "", err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return "", err
	}
	info, err := probe.Probe(r, st.Size())
	switch {
	case err != nil:
		return "", &fs.PathError{Op: "read", Path: f.Root, Err: err}
	case info.UUID == "":
		return "", &fs.PathError{Op: "find UUID", Path: f.Root, Err: fs.ErrInvalid}
	}
	return info.UUID, nil
}

// RootDrive returns the options of qemu for the root disk. What the machine writes to it is
// forgotten.
func (f Files) RootDrive() []string {
	return []string{"-drive", "file=" + Comma(f.Root) + ",snapshot=on,id=" + Disk + ",cache=unsafe,if=none,format=raw",
		"-device", "scsi-hd,drive=" + Disk}
}

// Comma writes a value of an option of qemu, where a comma is doubled.
func Comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }
