package lkl_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// An image is mounted read-only and a file of it printed. The deadline is for
// all of it.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	k, err := lkl.Boot(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()

	image, err := os.Open("disk.img")
	if err != nil {
		log.Fatal(err)
	}
	defer image.Close()
	name, err := k.AttachDisk(lkl.Disk{File: image, ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}

	// There is no udev: the device's numbers are in sysfs.
	k.Mkdirat(unix.AT_FDCWD, "/sys", 0o755)
	k.Mkdirat(unix.AT_FDCWD, "/mnt", 0o755)
	k.Mount("sysfs", "/sys", "sysfs", 0, "")
	dev, err := k.ReadFile("/sys/block/"+name+"/dev", 100)
	if err != nil {
		log.Fatal(err)
	}
	var major, minor uint32
	fmt.Sscanf(string(dev), "%d:%d", &major, &minor)
	k.Mknodat(unix.AT_FDCWD, "/disk", unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor)))
	if err := k.Mount("/disk", "/mnt", "ext4", unix.MS_RDONLY, ""); err != nil {
		log.Fatal(err, "\n", k.Dmesg())
	}

	// Symbolic links of the image end inside of it.
	root, err := k.Open("/mnt", unix.O_PATH, 0)
	if err != nil {
		log.Fatal(err)
	}
	data, err := k.Chroot(root).ReadFile("/etc/os-release", 1<<20)
	if err != nil {
		log.Fatal(err)
	}
	os.Stdout.Write(data)
}

// A directory is listed with the metadata of its entries.
func ExampleView_ReadDirAt() {
	k, err := lkl.Boot(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	for d, err := range k.ReadDirAt(unix.AT_FDCWD, "/", 0, unix.STATX_BASIC_STATS, lkl.READDIR_LINK) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.Stat.Mode, d.Stat.Size, d.Name, d.Link)
	}
}

// A file is written with its metadata in one round trip.
func ExampleChain() {
	k, err := lkl.Boot(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	c := k.NewChain()
	f := c.Openat(unix.AT_FDCWD, "/hello", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	c.Write(f.Fd(), []byte("hello\n"))
	c.Fchown(f.Fd(), 1000, 1000)
	c.Fchmod(f.Fd(), 0o644)
	c.Close(f.Fd())
	if err := c.Run(); err != nil {
		log.Fatal(err)
	}
}
