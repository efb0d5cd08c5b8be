// Align moves the kernel inside a program to a page boundary of the program's
// file, where the loader can map it instead of reading it:
//
//	align PROGRAM IMAGE
//
// finds the embedded kernel in PROGRAM, and puts zeroes before the kernel in
// IMAGE, the file that was embedded, so that the same build made again has it at
// a boundary.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

const page = vmlinux.MaxPadding + 1

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: align PROGRAM IMAGE")
		os.Exit(2)
	}
	if err := align(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "align:", err)
		os.Exit(1)
	}
}

func align(program, image string) error {
	prog, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	img, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	old := int(vmlinux.Padding(img))
	at := bytes.Index(prog, img[old:])
	if at < 0 {
		return fmt.Errorf("%s: %s is not in it", program, image)
	}
	if at%page == 0 {
		return nil
	}
	pad := (page - (at-old)%page) % page
	return os.WriteFile(image, append(make([]byte, pad), img[old:]...), 0o644)
}
