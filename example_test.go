package unboot_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"time"

	"github.com/unboot/unboot"
)

// Read a file of the operating system that is installed on a disk.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	img, err := unboot.Open(ctx, "disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountAuto()
	if err != nil {
		log.Fatal(err)
	}
	data, err := root.ReadFile("etc/os-release")
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(data)
}

// Change a file. Close reports whether it has reached the disk.
func ExampleWritable() {
	img, err := unboot.Open(context.Background(), "disk.img", unboot.Writable())
	if err != nil {
		log.Fatal(err)
	}
	root, err := img.Mount("LABEL=root")
	if err == nil {
		err = root.WriteFile("etc/hostname", []byte("new\n"), 0o644)
	}
	if err := errors.Join(err, img.Close()); err != nil {
		log.Fatal(err)
	}
}

// List what is on a disk, without mounting anything.
func ExampleImage_Devices() {
	img, err := unboot.Open(context.Background(), "disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	for _, d := range img.Devices() {
		fmt.Println(d, d.Size)
	}
}

// Mount the parts of a system by hand.
func ExampleImage_MountTree() {
	img, err := unboot.Open(context.Background(), "disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountTree([]unboot.Mount{
		{Device: "/dev/sda1", Data: "subvol=@"},
		{Device: "/dev/sda2", Dir: "boot/efi"},
	})
	if err != nil {
		log.Fatal(err)
	}
	entries, err := fs.ReadDir(root, "boot/efi/EFI")
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
}

// Find the programs that run as their owner, whoever starts them.
func ExampleFS_Walk() {
	img, err := unboot.Open(context.Background(), "disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	root, err := img.MountOS()
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range root.Walk(".", &unboot.WalkOptions{OneFileSystem: true}) {
		if err != nil {
			log.Print(err)
			continue
		}
		if e.Mode()&fs.ModeSetuid != 0 {
			fmt.Println(e.Mode(), e.Stat.Uid, e.Path())
		}
	}
}

// Show all that the kernel said when a device could not be mounted.
func ExampleMountError() {
	img, err := unboot.Open(context.Background(), "disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	_, err = img.Mount("/dev/sda3")
	if me, ok := errors.AsType[*unboot.MountError](err); ok {
		fmt.Printf("%+v\n", me)
	}
}
