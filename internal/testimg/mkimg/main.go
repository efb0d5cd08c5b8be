// Command mkimg makes the disk images that the tests and the demo use:
//
//	go run ./internal/testimg/mkimg debian-ext4 debian.img
//	go run ./internal/testimg/mkimg ext4 odd.img
//
// Without arguments it lists what it can make. The images are kept in a cache,
// so that the second time is a copy.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/unboot/unboot/internal/testimg"
)

const usage = `usage: mkimg NAME OUT

  debian-KIND   a GPT disk with a minimal Debian on it; KIND is one of
                %s
  usrshare      an ext4 file system of some %d files
  TYPE          a small file system, with odd names and nodes in it where
                the type can be filled; TYPE is one of
                %s
`

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, usage, strings.Join(testimg.DebianKinds, " "), testimg.UsrShareNodes,
			strings.Join(testimg.Types(), " "))
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mkimg:", err)
		os.Exit(1)
	}
}

func run(name, out string) error {
	image, err := build(name)
	if err != nil {
		return err
	}
	return testimg.Copy(image, out)
}

func build(name string) (string, error) {
	if kind, ok := strings.CutPrefix(name, "debian-"); ok {
		return testimg.BuildDebian(kind)
	}
	if name == "usrshare" {
		return testimg.BuildUsrShare()
	}
	if !slices.Contains(testimg.Types(), name) {
		return "", fmt.Errorf("no image is called %q", name)
	}
	return testimg.BuildFS(name, testimg.Options{Tree: testimg.Populates(name)})
}
