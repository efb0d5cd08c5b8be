// Command program stands in for pjdfstest's own program. With PJDFSTEST_SOCKET, it passes its
// words on to who listens there, instead of to the host's kernel.
package main

import (
	"encoding/gob"
	"fmt"
	"net"
	"os"

	"github.com/unboot/unboot/test/pjdfstest/words"
)

func main() {
	ok, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(args []string) (bool, error) {
	if socket := os.Getenv("PJDFSTEST_SOCKET"); socket != "" {
		return ask(socket, args)
	}
	id, args, err := words.Options(args)
	if err != nil {
		return false, err
	}
	if err := id.Become(); err != nil {
		return false, err
	}
	return words.Run(words.Host{}, args, os.Stdout)
}

func ask(socket string, args []string) (bool, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if err := gob.NewEncoder(c).Encode(words.Request{Dir: os.Getenv("PJDFSTEST_DIR"), Args: args}); err != nil {
		return false, err
	}
	var a words.Answer
	if err := gob.NewDecoder(c).Decode(&a); err != nil {
		return false, err
	}
	os.Stdout.WriteString(a.Out)
	if a.Err != "" {
		return a.OK, fmt.Errorf("%s", a.Err)
	}
	return a.OK, nil
}
