package main

import (
	"fmt"
	"strings"
)

var infoCommand = command{
	name:     "info",
	short:    "disks, partitions, file systems",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Describes an image: disks and partition tables, what lies on each disk as a tree,
file systems with their labels and UUIDs and how full they are, the operating system, and
any problems found.

With --map, it lists how the image stores the disk instead, a line for each part: where it
begins and how large it is in bytes, whether it is data, compressed, zero or a hole, in
which file of the chain of backing files that is (0 for the image itself), and at which
offset in that.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		i := &describer{}
		f.bool(&i.noMount, "", "no-mount", "print only what can be found without mounting anything")
		f.bool(&i.mapped, "", "map", "print how the image stores the disk, without mounting anything")
		f.bool(&i.json, "", "json", "print one JSON object, or a list with --map; sizes in bytes")
		return i.run
	},
	examples: []string{"unboot info disk.img"},
	image:    true,
}

// A describer has the options of info.
type describer struct{ noMount, mapped, json bool }

// A jsonInfo is everything that info prints. The text for people is made from it too, so
// that both formats have the same facts.
type jsonInfo struct {
	Image string `json:"image"`
	// OS is the operating system that is mounted where no option says what to mount.
	OS *jsonSystem `json:"os,omitempty"`
	// Systems are those to choose from, if there is not exactly one, and installation media.
	Systems []*jsonSystem `json:"systems,omitempty"`
	Disks   []jsonDisk    `json:"disks"`
	Devices []jsonDevice  `json:"devices"`
	// Inactive are the volumes that the metadata has, and that cannot be used.
	Inactive []jsonInactive `json:"inactive,omitempty"`
	Problems []string       `json:"problems,omitempty"`
}

// run describes one image. Mounting is optional, as a damaged file system can take long to
// mount or make the kernel fail, while what is on the disks is still of interest.
func (i *describer) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	t := parseTarget(args[0])
	if i.mapped {
		return a.printMap(t.image, i.json)
	}
	o, err := a.open(t.image, false)
	if err != nil {
		return err
	}
	info := a.info(o, !i.noMount)
	if i.json {
		return a.printJSON(info)
	}
	return a.printInfo(info)
}

func (a *app) info(o *opened, mount bool) *jsonInfo {
	info := &jsonInfo{Image: o.path, Problems: o.img.Problems()}
	// Systems first: to find them file systems are mounted, which then also know how
	// full they are.
	var u *usage
	if mount {
		u = info.systems(o)
	}
	info.devices(o, u)
	for i, d := range o.img.Disks() {
		info.Disks[i].Storage = a.storage(d)
	}
	info.Inactive = newInactive(o.img)
	return info
}

func (a *app) printInfo(info *jsonInfo) error {
	w := a.out
	if info.OS != nil {
		a.printSystem(info.OS)
	}
	for _, s := range info.Systems {
		a.printSystem(s)
	}
	// Each disk has a table of its own, as the widths of its columns are its own, too.
	seen := map[*jsonDevice]bool{}
	for i := range info.Disks {
		if i > 0 {
			fmt.Fprintln(w)
		}
		a.printDisk(info, &info.Disks[i], seen)
	}
	if len(info.Inactive) > 0 {
		fmt.Fprintln(w, "\nvolumes that cannot be used:")
		for _, v := range info.Inactive {
			fmt.Fprintf(w, "  %s\n", v)
		}
	}
	if len(info.Problems) > 0 {
		fmt.Fprintln(w, "\nproblems:")
		for _, p := range info.Problems {
			lines := strings.Split(strings.TrimSpace(p), "\n")
			for i := range lines {
				lines[i] = printable(lines[i]) // what is quoted in them may be from the image
			}
			fmt.Fprintf(w, "  %s\n", strings.Join(lines, "\n    "))
		}
	}
	return nil
}

// printable returns text of an image for a terminal: unchanged if that is safe. Unlike
// quote, it adds no quotes for a shell, since these are not file names to paste into one.
func printable(s string) string {
	if q := quote(s); strings.Contains(q, `$'\`) {
		return q
	}
	return s
}
