// Disk makes an image with two partitions and lists them.
package main

import (
	"fmt"
	"log"
	"os"

	"libguestfs.org/guestfs"
)

func main() {
	log.SetFlags(0)
	output := os.Args[1]
	g, errno := guestfs.Create()
	if errno != nil {
		log.Fatal(errno)
	}
	defer g.Close()
	if err := g.Disk_create(output, "raw", 64*1024*1024, nil); err != nil {
		log.Fatal(err)
	}
	optargs := guestfs.OptargsAdd_drive{
		Format_is_set:   true,
		Format:          "raw",
		Readonly_is_set: true,
		Readonly:        false,
	}
	if err := g.Add_drive(output, &optargs); err != nil {
		log.Fatal(err)
	}
	if err := g.Launch(); err != nil {
		log.Fatal(err)
	}
	devices, err := g.List_devices()
	if err != nil {
		log.Fatal(err)
	}
	if len(devices) != 1 {
		log.Fatal("expected a single device from list-devices")
	}
	if err := g.Part_init(devices[0], "mbr"); err != nil {
		log.Fatal(err)
	}
	for _, p := range [][2]int64{{2048, 65535}, {65536, -64}} {
		if err := g.Part_add(devices[0], "primary", p[0], p[1]); err != nil {
			log.Fatal(err)
		}
	}
	if err := g.Part_set_bootable(devices[0], 1, true); err != nil {
		log.Fatal(err)
	}
	partitions, err := g.List_partitions()
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range partitions {
		size, err := g.Blockdev_getsize64(p)
		if err != nil {
			log.Fatal(err)
		}
		number, err := g.Part_to_partnum(p)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p, size, number)
	}
	list, err := g.Part_list(devices[0])
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range *list {
		fmt.Println(p.Part_num, p.Part_start, p.Part_end, p.Part_size)
	}
	boot, err := g.Part_get_bootable(devices[0], 1)
	fmt.Println("bootable:", boot, err)
	kind, err := g.Part_get_parttype(devices[0])
	fmt.Println("type:", kind, err)
	if err := g.Shutdown(); err != nil {
		log.Fatal(err)
	}
}
