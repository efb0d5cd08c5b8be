package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/volume/fat"
)

// A jsonSystem is an operating system. Strings that are unknown are left out.
type jsonSystem struct {
	Root       string            `json:"root"` // as guestfs(3) names it
	Type       string            `json:"type"`
	Format     string            `json:"format"` // "installed" or "installer"
	Name       string            `json:"name,omitempty"`
	ID         string            `json:"id,omitempty"`
	Version    string            `json:"version,omitempty"`
	Codename   string            `json:"codename,omitempty"`
	Edition    string            `json:"edition,omitempty"`
	Build      string            `json:"build,omitempty"`
	Arch       string            `json:"arch,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	Packages   string            `json:"packages,omitempty"` // their format: "deb", "rpm"…
	Kernels    []string          `json:"kernels,omitempty"`
	Deployment string            `json:"deployment,omitempty"` // of OSTree: the directory that has the system
	Drives     map[string]string `json:"drives,omitempty"`     // of Windows: devices by letters
	Mounts     []jsonMount       `json:"mounts,omitempty"`
}

// A jsonMount is a device with the place where it is mounted.
type jsonMount struct {
	Device  string `json:"device"`
	Path    string `json:"path"`
	Options string `json:"options,omitempty"`
}

// A usage finds out how full the file systems of an image are. It asks those that inspection
// or the operating system's tree has mounted, so that nothing is mounted twice.
type usage struct {
	in   *unboot.Inspection
	tree *unboot.FS // of the operating system, or nil
}

// where returns the tree and the directory in it where a device is mounted.
func (u *usage) where(d *unboot.Device) (f *unboot.FS, dir string, err error) {
	f = u.tree
	if f != nil {
		for _, m := range f.Mounts() {
			if m.Device == d.Name {
				dir = m.Dir
			}
		}
	}
	if dir == "" {
		f, err = u.in.FS(d)
		dir = "."
	}
	return f, dir, err
}

// of returns the size of the file system on a device, and what is used of it, in bytes.
func (u *usage) of(d *unboot.Device) (size, used uint64, err error) {
	f, dir, err := u.where(d)
	if err != nil {
		return 0, 0, err
	}
	// The kernel takes longer to count the clusters of a FAT than everything else does.
	// Whatever prevents the short cut is not an error: the kernel is asked then.
	if n, err := fatUsage(d); err == nil {
		return uint64(n.Clusters * n.ClusterSize), uint64((n.Clusters - n.Free) * n.ClusterSize), nil
	}
	st, err := f.Statfs(dir)
	if err != nil {
		return 0, 0, err
	}
	return st.Blocks * uint64(st.Bsize), (st.Blocks - min(st.Bfree, st.Blocks)) * uint64(st.Bsize), nil
}

// fatUsage counts the clusters of a FAT by itself, from the device as the image has it open:
// whatever the image's format is, and whatever the device lies on.
func fatUsage(d *unboot.Device) (fat.Usage, error) {
	if d.Content.Type != "vfat" {
		return fat.Usage{}, fat.ErrTable
	}
	f, err := d.Open(os.O_RDONLY)
	if err != nil {
		return fat.Usage{}, err
	}
	defer f.Close()
	return fat.Read(io.NewSectionReader(f, 0, d.Size))
}

// systems adds the operating systems. An image without one is not a problem. What it mounts
// stays mounted until the image is closed: the kernel's end is quicker than unmounting.
func (info *jsonInfo) systems(o *opened) *usage {
	in, _ := o.img.Inspect(inspector.Image)
	u := &usage{in: in}
	// Only a single system is mounted as one tree; of several, none is the obvious
	// one.
	installed := in.Installed()
	if len(installed) == 1 {
		if f, err := in.Mount(installed[0]); err != nil {
			info.Problems = append(info.Problems, err.Error())
		} else {
			u.tree = f
		}
	}
	for _, r := range in.Roots {
		s := newSystem(o.img, r)
		switch {
		case len(installed) == 1 && r == installed[0] && u.tree != nil:
			// What was mounted, instead of what the fstab asks for.
			s.Mounts = nil
			for _, m := range u.tree.Mounts() {
				s.Mounts = append(s.Mounts, jsonMount{m.Device, display(m.Dir), m.Data})
			}
			info.OS = s
			info.problems(u.tree.Problems())
		default:
			info.Systems = append(info.Systems, s)
			info.problems(r.Problems)
		}
	}
	return u
}

// problems adds problems, each once: those of a device that could not be mounted are
// reported for each system that would use it.
func (info *jsonInfo) problems(list []string) {
	for _, p := range list {
		if !slices.Contains(info.Problems, p) {
			info.Problems = append(info.Problems, p)
		}
	}
}

// newSystem returns the results of inspection for a root.
func newSystem(img *unboot.Image, r *inspect.Root) *jsonSystem {
	s := &jsonSystem{
		Root: r.Device, Type: string(r.Type), Format: string(r.Format), Name: r.Product, ID: cmp.Or(r.ID, r.Distro),
		Version: r.Version, Codename: r.Codename, Edition: r.Variant, Build: r.BuildID, Arch: r.Arch, Hostname: r.Hostname,
		Packages: r.PackageFormat, Kernels: r.Kernels, Deployment: r.Deployment, Drives: r.Drives,
	}
	for _, m := range r.Mounts {
		// An fstab may name devices that are not in the image.
		if d, option := mountable(img, m.Device); d != nil {
			s.Mounts = append(s.Mounts, jsonMount{d.Name, m.Dir, option})
		}
	}
	return s
}

// printSystem prints an operating system, and an empty line after it.
func (a *app) printSystem(s *jsonSystem) {
	w := a.out
	title := "operating system"
	if s.Format == string(inspect.Installer) {
		title = "installation media"
	}
	fmt.Fprintf(w, "%s: %s", title, printable(cmp.Or(s.Name, "unknown")))
	if s.Hostname != "" {
		fmt.Fprintf(w, ", host name %s", printable(s.Hostname))
	}
	fmt.Fprintln(w)
	if d := s.details(); d != "" {
		fmt.Fprintf(w, "  %s\n", d)
	}
	for _, m := range s.Mounts {
		opts := ""
		if m.Options != "" {
			opts = " (" + printable(m.Options) + ")"
		}
		fmt.Fprintf(w, "  %s on %s%s\n", m.Device, quote(m.Path), opts)
	}
	for _, letter := range slices.Sorted(maps.Keys(s.Drives)) {
		fmt.Fprintf(w, "  %s: is %s\n", printable(letter), s.Drives[letter])
	}
	fmt.Fprintln(w)
}

// details returns the other facts about a system in a few words.
func (s *jsonSystem) details() string {
	var list []string
	add := func(format, value string) {
		if value != "" {
			list = append(list, fmt.Sprintf(format, printable(value)))
		}
	}
	add("version %s", s.Version)
	add("build %s", s.Build)
	add("edition %s", s.Edition)
	add("%s", s.Arch)
	add("%s packages", s.Packages)
	add("Linux %s", strings.Join(s.Kernels, ", "))
	return strings.Join(list, ", ")
}
