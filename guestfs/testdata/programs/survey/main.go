// Survey shows what is on a disk, which is not changed.
package main

import (
	"fmt"
	"log"
	"os"
	"sort"

	"libguestfs.org/guestfs"
)

func main() {
	log.SetFlags(0)
	g, err := guestfs.Create()
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	if err := g.Set_program("survey"); err != nil {
		log.Fatal(err)
	}
	if err := g.Add_drive_ro(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	if err := g.Add_drive_scratch(1<<20, &guestfs.OptargsAdd_drive_scratch{Label_is_set: true, Label: "scratch"}); err != nil {
		log.Fatal(err)
	}
	if err := g.Launch(); err != nil {
		log.Fatal(err)
	}
	found, err := g.List_filesystems()
	if err != nil {
		log.Fatal(err)
	}
	var devices []string
	for device := range found {
		devices = append(devices, device)
	}
	sort.Strings(devices)
	for _, device := range devices {
		fmt.Println(device, found[device])
		if found[device] == "unknown" || found[device] == "swap" {
			continue
		}
		uuid, err := g.Vfs_uuid(device)
		fmt.Println(uuid, err)
		if err := g.Mount_ro(device, "/"); err != nil {
			fmt.Println(err)
			continue
		}
		st, err := g.Statvfs("/")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(st.Bsize, st.Blocks, st.Files, st.Namemax)
		entries, err := g.Readdir("/")
		if err != nil {
			log.Fatal(err)
		}
		var names []string
		for _, e := range *entries {
			names = append(names, fmt.Sprintf("%c%q", e.Ftyp, e.Name))
		}
		sort.Strings(names)
		fmt.Println(names)
		if err := g.Umount(device, nil); err != nil {
			log.Fatal(err)
		}
	}
	index, err := g.Device_index("/dev/sdb")
	fmt.Println(index, err)
	name, err := g.Canonical_device_name("/dev/vda")
	fmt.Println(name, err)
	state, err := g.Is_ready()
	fmt.Println(state, err)
	program, err := g.Get_program()
	fmt.Println(program, err)
	_, err = g.Vfs_type("/dev/sdz")
	fmt.Println(err != nil)
}
