package main

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// rename is rename(2), as mv(1) uses it. (*unboot.FS).Rename does as package os, which
// refuses to replace an empty directory by another.
func rename(f *unboot.FS, from, to string) error {
	err := f.View().Renameat(unix.AT_FDCWD, "/"+from, unix.AT_FDCWD, "/"+to)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
