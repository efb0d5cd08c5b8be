package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/unboot/unboot"
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

// storage returns how a disk is stored, or nil if that cannot be said.
func (a *app) storage(d *unboot.Disk) *jsonStorage {
	info := d.Stored
	if info == nil {
		return nil
	}
	s := &jsonStorage{Format: info.Format}
	if sources().Remote(d.Path) {
		s.add(info.References, 1) // whatever they name, it is not here
		return s
	}
	if st, err := os.Stat(d.Path); err == nil && st.Mode().IsRegular() {
		s.Allocated = st.Sys().(*syscall.Stat_t).Blocks * 512
	}
	s.add(info.References, 1)
	if a.opts.backing {
		s.follow(a, info.References, 1)
	}
	return s
}

// add adds files that an image names.
func (s *jsonStorage) add(refs []disk.Reference, depth int) {
	for _, ref := range refs {
		if len(s.References) < source.MaxFiles {
			s.References = append(s.References, jsonReference{ref.Role, ref.Name, ref.Path, ref.Format, depth})
		}
	}
}

// follow adds what backing files name in turn.
func (s *jsonStorage) follow(a *app, refs []disk.Reference, depth int) {
	for _, ref := range refs {
		if ref.Role != disk.BackingFile || ref.Path == "" || depth == source.MaxDepth || len(s.References) == source.MaxFiles {
			continue
		}
		if info, err := sources().Stat(a.life, ref.Path, source.Options{Format: ref.Format}); err == nil {
			s.add(info.References, depth+1)
			s.follow(a, info.References, depth+1)
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
