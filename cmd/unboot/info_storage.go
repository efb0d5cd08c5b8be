package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// A jsonStorage is how a disk is stored.
type jsonStorage struct {
	Format string `json:"format"`
	// Allocated is what the image's file takes up on the host, in bytes.
	Allocated int64 `json:"allocated,omitempty"`
	// References are the files that the image names, and with --backing-files those that
	// they name in turn.
	References []jsonReference `json:"references,omitempty"`
}

// A jsonReference is a file that an image names.
type jsonReference struct {
	Role   string `json:"role"`
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"`
	Format string `json:"format,omitempty"`
	Depth  int    `json:"depth"`
}

// storage returns how the disk in an image is stored, or nil if that cannot be said.
func (a *app) storage(image string) *jsonStorage {
	if sources().Remote(image) {
		return nil // it is open, and a server may take one client at a time
	}
	info, err := sources().Stat(a.life, image, source.Options{})
	if err != nil {
		return nil
	}
	s := &jsonStorage{Format: info.Format}
	if st, err := os.Stat(image); err == nil && st.Mode().IsRegular() {
		s.Allocated = st.Sys().(*syscall.Stat_t).Blocks * 512
	}
	s.add(a, info.References, 1)
	return s
}

// add adds files, and what they name if the user trusts the image.
func (s *jsonStorage) add(a *app, refs []disk.Reference, depth int) {
	for _, ref := range refs {
		if len(s.References) == source.MaxFiles {
			return
		}
		s.References = append(s.References, jsonReference{ref.Role, ref.Name, ref.Path, ref.Format, depth})
		if !a.opts.backing || ref.Role != disk.BackingFile || ref.Path == "" || depth == source.MaxDepth {
			continue
		}
		if info, err := sources().Stat(a.life, ref.Path, source.Options{Format: ref.Format}); err == nil {
			s.add(a, info.References, depth+1)
		}
	}
}

// print lists the files.
func (s *jsonStorage) print(a *app) {
	if s == nil {
		return
	}
	for _, r := range s.References {
		fmt.Fprintf(a.out, "  %s: %s", r.Role, quote(r.Name))
		if r.Format != "" {
			fmt.Fprintf(a.out, " (%s)", printable(r.Format))
		}
		fmt.Fprintln(a.out)
	}
}
