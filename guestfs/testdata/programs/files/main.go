// Files changes files in an image and shows them.
package main

import (
	"fmt"
	"log"
	"os"

	"libguestfs.org/guestfs"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	g, err := guestfs.Create_flags(guestfs.CREATE_NO_CLOSE_ON_EXIT)
	check(err)
	check(g.Add_drive(os.Args[1], &guestfs.OptargsAdd_drive{Format_is_set: true, Format: "raw"}))
	check(g.Launch())
	check(g.Mount_options("noatime", "/dev/sda", "/"))
	mountpoints, err := g.Mountpoints()
	check(err)
	fmt.Println(mountpoints)
	check(g.Mkdir_p("/etc/conf.d"))
	check(g.Write("/etc/motd", []byte("hello\nworld\n")))
	check(g.Write_append("/etc/motd", []byte("again\n")))
	check(g.Chown(7, 8, "/etc/motd"))
	check(g.Chmod(0o600, "/etc/motd"))
	check(g.Ln_s("motd", "/etc/link"))
	check(g.Setxattr("user.test", "value", 5, "/etc/motd"))
	lines, err := g.Read_lines("/etc/motd")
	check(err)
	fmt.Printf("%q\n", lines)
	names, err := g.Ls("/etc")
	check(err)
	fmt.Println(names)
	st, err := g.Lstatns("/etc/motd")
	check(err)
	fmt.Printf("%o %d %d %d\n", st.St_mode, st.St_size, st.St_uid, st.St_gid)
	attrs, err := g.Lgetxattrs("/etc/motd")
	check(err)
	for _, a := range *attrs {
		fmt.Printf("%s=%s\n", a.Attrname, a.Attrval)
	}
	sum, err := g.Checksum("sha256", "/etc/motd")
	check(err)
	fmt.Println(sum)
	follow := guestfs.OptargsIs_file{Followsymlinks_is_set: true, Followsymlinks: true}
	for _, o := range []*guestfs.OptargsIs_file{nil, &follow} {
		is, err := g.Is_file("/etc/link", o)
		fmt.Println("is_file:", is, err)
	}
	part, err := g.Pread("/etc/motd", 5, 6)
	fmt.Printf("%s %v\n", part, err)
	if _, err := g.Cat("/etc/none"); err != nil {
		e := err.(*guestfs.GuestfsError)
		fmt.Printf("%s|%s|%d\n", e.Op, e.Errmsg, e.Errno)
	}
	if err := g.Rmdir("/etc"); err != nil {
		e := err.(*guestfs.GuestfsError)
		fmt.Printf("%s|%s|%d\n", e.Op, e.Errmsg, e.Errno)
	}
	check(g.Umount_all())
	if err := g.Close(); err != nil {
		log.Fatal(err)
	}
}
