// Transfer moves files and trees between the host and an image.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"libguestfs.org/guestfs"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	image, dir := os.Args[1], os.Args[2]
	g, err := guestfs.Create()
	check(err)
	defer g.Close()
	check(g.Add_drive(image, &guestfs.OptargsAdd_drive{Format_is_set: true, Format: "raw"}))
	check(g.Launch())
	check(g.Mount("/dev/sda", "/"))
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	data := bytes.Repeat([]byte("transfer"), 200_000)
	check(os.WriteFile(in, data, 0o644))
	check(g.Upload(in, "/file"))
	check(g.Download("/file", out))
	back, err := os.ReadFile(out)
	fmt.Println(bytes.Equal(back, data), err)
	check(g.Download_offset("/file", out, 8, 16))
	back, err = os.ReadFile(out)
	fmt.Printf("%s %v\n", back, err)
	whole, err := g.Read_file("/file")
	fmt.Println(len(whole), err)
	check(g.Write("/large", whole))
	size, err := g.Filesize("/large")
	fmt.Println(size, err)
	tree := filepath.Join(dir, "tree")
	check(os.MkdirAll(filepath.Join(tree, "sub"), 0o755))
	check(os.WriteFile(filepath.Join(tree, "sub", "f"), []byte("f"), 0o640))
	check(os.Symlink("sub/f", filepath.Join(tree, "l")))
	check(g.Mkdir("/dest"))
	check(g.Copy_in(tree, "/dest"))
	found, err := g.Find("/dest/")
	fmt.Println(found, err)
	check(os.Mkdir(filepath.Join(dir, "back"), 0o755))
	check(g.Copy_out("/dest/tree", filepath.Join(dir, "back")))
	back, err = os.ReadFile(filepath.Join(dir, "back", "tree", "l"))
	fmt.Printf("%s %v\n", back, err)
	check(g.Tar_out("/dest", filepath.Join(dir, "a.tgz"), &guestfs.OptargsTar_out{Compress_is_set: true, Compress: "gzip"}))
	check(g.Mkdir("/again"))
	check(g.Tar_in(filepath.Join(dir, "a.tgz"), "/again", &guestfs.OptargsTar_in{Compress_is_set: true, Compress: "gzip"}))
	found, err = g.Find("/again")
	fmt.Println(found, err)
	err = g.Upload(filepath.Join(dir, "none"), "/x")
	fmt.Println(err.(*guestfs.GuestfsError).Errno)
	err = g.Download("/none", filepath.Join(dir, "x"))
	fmt.Println(err.(*guestfs.GuestfsError).Errno)
}
