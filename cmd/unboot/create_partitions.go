package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
)

// partitionTypes are the types that a partition can be given by a word, with the names that
// sfdisk(8) has for them, and what an MBR calls them.
var partitionTypes = map[string]byte{"linux": 0x83, "swap": 0x82, "uefi": 0xef, "raid": 0xfd, "lvm": 0x8e, "windows": 0x07}

// moreTypes are those that an MBR does not have.
var moreTypes = map[string]string{
	"bios": "21686148-6449-6e6f-744e-656564454649", // for GRUB's core image
	"home": "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
	"root": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", // of x86-64: Discoverable Partitions Specification
	"boot": "bc13c2ff-59e6-4262-a352-b275fd6f7172", // extended boot
	"luks": "ca7d7ccb-63ed-4c53-861c-1742536059cc",
}

// partitionWords are the words for types, sorted.
func partitionWords() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, words := range []func(func(string) bool){maps.Keys(partitionTypes), maps.Keys(moreTypes)} {
			for w := range words {
				if !yield(w) {
					return
				}
			}
		}
	})
}

// parsePartition parses NAME:SIZE[:TYPE]. Without a size, the partition takes what is left.
func parsePartition(text string) (s part.Spec, err error) {
	f := strings.Split(text, ":")
	if len(f) < 2 || len(f) > 3 {
		return s, errors.New("not NAME:SIZE or NAME:SIZE:TYPE")
	}
	s = part.Spec{Start: -1, Name: f[0]}
	if f[1] != "" {
		if s.Size, err = parseSize(f[1]); err != nil {
			return s, err
		}
		if s.Size == 0 || s.Size%disk.MinSize != 0 {
			return s, fmt.Errorf("%q: a partition has whole sectors of %d bytes", f[1], disk.MinSize)
		}
	}
	if len(f) < 3 || f[2] == "" {
		return s, nil
	}
	word := strings.ToLower(f[2])
	if b, ok := partitionTypes[word]; ok {
		s.Type = part.GPTType(b)
	} else if s.Type, ok = moreTypes[word]; !ok {
		s.Type = word
		if len(word) != 36 {
			return s, fmt.Errorf("the type %q: neither a GUID nor one of %s", f[2], strings.Join(partitionWords(), ", "))
		}
	}
	return s, nil
}

// partition writes a GPT onto a disk.
func partition(d disk.Device, list []part.Spec) error {
	e, err := part.New("gpt", d.Size(), part.EditOptions{SectorSize: disk.MinSize})
	if err != nil {
		return err
	}
	for _, s := range list {
		if _, err := e.Add(s); err != nil {
			return fmt.Errorf("partition %q: %w", s.Name, err)
		}
	}
	return e.Commit(d)
}
