package main

import (
	"fmt"
	"strconv"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/lsfmt"
	"golang.org/x/sys/unix"
)

var dfCommand = command{
	name:     "df",
	short:    "space of file systems",
	synopsis: []string{"[OPTION...] IMAGE..."},
	brief:    "IMAGE",
	long: `Prints the space of the file systems in images as df(1) does: of all of them, or of
those that -m names. The image is not changed to find out.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		d := &spacer{}
		f.bool(&d.human, "h", "human-readable", "print sizes as 1.5G")
		f.bool(&d.inodes, "i", "inodes", "print inodes instead of blocks")
		f.bool(&d.profiles, "", "profiles", "below, the space of each btrfs by profile, as btrfs filesystem usage")
		f.bool(&d.json, "", "json", "print a JSON list, one object per file system; sizes in bytes")
		return d.run
	},
	examples: []string{"unboot df -h disk.img"},
	image:    true,
}

type spacer struct{ human, inodes, profiles, json bool }

// jsonDf is a file system in --json. Sizes are in bytes.
type jsonDf struct {
	Image     string `json:"image"`
	Device    string `json:"device"`
	Type      string `json:"type"`
	Label     string `json:"label,omitempty"`
	UUID      string `json:"uuid,omitempty"`
	Size      uint64 `json:"size"`
	Used      uint64 `json:"used"`
	Available uint64 `json:"available"`
	Inodes    uint64 `json:"inodes,omitempty"`
	InodesUse uint64 `json:"inodes_used,omitempty"`
	// Btrfs is what statfs(2) cannot say of it.
	Btrfs *jsonUsage `json:"btrfs,omitempty"`
}

// run prints the table at the end, when the widths of its columns are known.
func (d *spacer) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no IMAGE given")
	}
	list := &jsonList{a: a}
	t := &table{right: []bool{false, false, true, true, true, true}}
	switch {
	case d.inodes:
		t.row("Filesystem", "Type", "Inodes", "IUsed", "IFree", "IUse%", "Label")
	case d.human:
		t.row("Filesystem", "Type", "Size", "Used", "Avail", "Use%", "Label")
	default:
		t.row("Filesystem", "Type", "1K-blocks", "Used", "Available", "Use%", "Label")
	}
	// Without -h, blocks of 1 KiB, as df(1) prints them by default.
	size := func(n uint64) string {
		if d.human {
			return lsfmt.Size(n)
		}
		return strconv.FormatUint(n/1024, 10)
	}
	var pools []jsonDf
	for _, arg := range args {
		// A path is accepted and ignored, so that the argument of another command can
		// be reused.
		target := parseTarget(arg)
		o, err := a.open(target.image, false)
		if err != nil {
			return err
		}
		all, err := a.space(o)
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Btrfs != nil {
				pools = append(pools, s)
			}
			// Objects are printed as they come; only the table has to wait for its
			// widths.
			if d.json {
				list.add(s)
				continue
			}
			name := s.Device
			if len(args) > 1 {
				// Two images have devices of the same names.
				name = s.Image + ":" + name
			}
			if d.inodes {
				t.row(quote(name), s.Type, strconv.FormatUint(s.Inodes, 10), strconv.FormatUint(s.InodesUse, 10),
					strconv.FormatUint(s.Inodes-s.InodesUse, 10), percent(s.InodesUse, s.Inodes-s.InodesUse), quoteLabel(s.Label))
			} else {
				t.row(quote(name), s.Type, size(s.Size), size(s.Used), size(s.Available), percent(s.Used, s.Available), quoteLabel(s.Label))
			}
		}
	}
	if d.json {
		list.end()
		return nil
	}
	_, err := a.out.WriteString(t.String())
	if d.profiles {
		// Exact where the table is.
		if !d.human {
			size = func(n uint64) string { return strconv.FormatUint(n, 10) }
		}
		for i := range pools {
			pools[i].Btrfs.print(a.out, pools[i].Device, size)
		}
	}
	return err
}

// quoteLabel quotes a label for the terminal. None is an empty cell, and not a pair of
// quotes.
func quoteLabel(s string) string {
	if s == "" {
		return ""
	}
	return quote(s)
}

// percent returns the part that is used of what unprivileged users can use, rounded up as
// df does: blocks reserved for root count as neither used nor free.
func percent(used, free uint64) string {
	if used+free == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", (used*100+used+free-1)/(used+free))
}

// space mounts the file systems one by one, read-only, and asks each for its space. One
// that cannot be mounted is reported, and does not keep the others from being listed.
func (a *app) space(o *opened) ([]jsonDf, error) {
	devices := o.img.FileSystems()
	var options []unboot.Mount
	if len(a.opts.mounts) > 0 {
		devices = nil
		for _, s := range a.opts.mounts {
			m, err := parseMount(s)
			if err != nil {
				return nil, err
			}
			d, err := o.img.Device(m.Device)
			if err != nil {
				return nil, o.mountError(err)
			}
			devices, options = append(devices, d), append(options, m)
		}
	} else if len(devices) == 0 {
		return nil, o.mountError(unboot.ErrNoFileSystem)
	}
	var all []jsonDf
	for i, d := range devices {
		var m unboot.Mount
		if options != nil {
			m = options[i]
		}
		st, usage, err := o.statfs(d, m)
		if err != nil {
			a.fail(fmt.Errorf("%s: %w", quote(o.path), err))
			continue
		}
		// A damaged superblock may have more free than there is: the difference must
		// not wrap around.
		s := jsonDf{Image: o.path, Device: d.Name,
			Size: st.Blocks * uint64(st.Bsize), Available: st.Bavail * uint64(st.Bsize),
			Used: (st.Blocks - min(st.Bfree, st.Blocks)) * uint64(st.Bsize), Inodes: st.Files, InodesUse: st.Files - min(st.Ffree, st.Files)}
		if d.Content != nil {
			s.Type, s.Label, s.UUID = d.Content.Type, d.Content.Label, d.Content.UUID
		}
		s.Btrfs = newJSONUsage(usage)
		all = append(all, s)
	}
	return all, nil
}

// statfs mounts one device, asks for its space and unmounts it: an image may have more
// file systems than should be mounted at a time. Of a btrfs it returns its usage, too.
func (o *opened) statfs(d *unboot.Device, m unboot.Mount) (*unix.Statfs_t, *unboot.BtrfsUsage, error) {
	opts := []unboot.MountOption{unboot.ReadOnly()}
	if m.Data != "" {
		opts = append(opts, unboot.Data(m.Data))
	}
	if m.Type != "" {
		opts = append(opts, unboot.Type(m.Type))
	}
	fsys, err := o.img.Mount(d.Name, opts...)
	if err != nil {
		return nil, nil, err
	}
	defer fsys.Unmount()
	st, err := fsys.Statfs(".")
	if err != nil || fsys.Mounts()[0].Type != "btrfs" {
		return st, nil, err
	}
	usage, err := fsys.BtrfsUsage(".")
	return st, usage, err
}
