package guestfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/unboot/unboot/guestfs"
)

// A disk is made, divided, and looked at again.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	disk := filepath.Join(dir, "disk.img")

	g, err := guestfs.Create()
	if err != nil {
		log.Fatal(err)
	}
	if err := g.Disk_create(disk, "raw", 64<<20, nil); err != nil {
		log.Fatal(err)
	}
	if err := g.Add_drive(disk, &guestfs.OptargsAdd_drive{Format_is_set: true, Format: "raw"}); err != nil {
		log.Fatal(err)
	}
	if err := g.Launch(); err != nil {
		log.Fatal(err)
	}
	if err := g.Part_disk("/dev/sda", "gpt"); err != nil {
		log.Fatal(err)
	}
	partitions, err := g.List_partitions()
	if err != nil {
		log.Fatal(err)
	}
	kind, err := g.Part_get_parttype("/dev/sda")
	fmt.Println(partitions, kind, err)

	// Nothing is mounted.
	_, err = g.Cat("/etc/hostname")
	fmt.Println(err != nil)
	if err := g.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// [/dev/sda1] gpt <nil>
	// true
}

func ExampleGuestfsError() {
	g, err := guestfs.Create()
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	err = g.Add_drive_ro("/nowhere/disk.img")
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	var e *guestfs.GuestfsError
	if errors.As(err, &e) {
		fmt.Println(e.Op)
	}
	// Output:
	// add_drive_ro: /nowhere/disk.img: No such file or directory
	// true
	// add_drive_ro
}

// The real appliance instead of unboot.
func ExampleGuestfs_backend() {
	g, err := guestfs.Create()
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	backend, _ := g.Get_backend()
	fmt.Println(backend)
	if err := g.Set_backend("direct"); err != nil {
		log.Fatal(err)
	}
	backend, _ = g.Get_backend()
	fmt.Println(backend)
	// Output:
	// unboot
	// direct
}

// The library's calls are shown as it makes them.
func ExampleGuestfs_events() {
	g, err := guestfs.Create()
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	show := func(_ *guestfs.Guestfs, event uint64, _ int, buf string, _ []uint64) {
		name, _ := guestfs.Event_to_string(event)
		fmt.Printf("%s: %s\n", name, buf)
	}
	if _, err := g.Set_event_callback(show, guestfs.EVENT_TRACE); err != nil {
		log.Fatal(err)
	}
	g.Set_trace(true)
	g.Set_memsize(2048)
	g.Set_trace(false)
	// Output:
	// trace: set_memsize 2048
	// trace: set_memsize = 0
	// trace: set_trace 0
	// trace: set_trace = 0
}
