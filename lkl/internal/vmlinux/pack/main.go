// Command pack prepares a kernel for embedding: it keeps what the program
// headers load, without sections and symbols, and writes it beside the package
// that embeds it.
//
//	go run ./lkl/internal/vmlinux/pack [-compress] [-o OUTPUT] bin/vmlinux
package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	out := flags.String("o", "lkl/internal/vmlinux/"+vmlinux.Name, "the file to write")
	compress := flags.Bool("compress", false, "compress: smaller by two fifths, slower to start by milliseconds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: pack [-compress] [-o OUTPUT] VMLINUX")
	}
	input, output := flags.Arg(0), *out
	image, err := os.ReadFile(input)
	if err != nil {
		return err
	}
	whole := len(image)
	image, err = strip(image)
	if err != nil {
		return fmt.Errorf("%s: %w", input, err)
	}
	packed := vmlinux.Pack(image, *compress)
	// By renaming, so that no build embeds half of it.
	if err := os.WriteFile(output+".tmp", packed, 0o644); err != nil {
		return err
	}
	if err := os.Rename(output+".tmp", output); err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d without symbols, %d packed\n", output, whole, len(image), len(packed))
	return nil
}

// strip cuts off what follows the last loaded byte: sections and symbols.
func strip(image []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, errors.New("not a 64-bit executable")
	}
	var end uint64
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	if end > uint64(len(image)) {
		return nil, errors.New("truncated")
	}
	image = bytes.Clone(image[:end])
	// e_shoff, e_shnum, e_shstrndx
	binary.LittleEndian.PutUint64(image[0x28:], 0)
	binary.LittleEndian.PutUint32(image[0x3c:], 0)
	return image, nil
}
