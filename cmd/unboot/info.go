package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
)

var infoCommand = command{
	name:     "info",
	short:    "disks, partitions, file systems",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Describes an image: disks and partition tables, partitions, file systems with their
labels and UUIDs and how full they are, the operating system, and any problems found.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		i := &describer{}
		f.bool(&i.noMount, "", "no-mount", "print only what can be found without mounting anything")
		f.bool(&i.json, "", "json", "print one JSON object; sizes in bytes")
		return i.run
	},
	examples: []string{"unboot info disk.img"},
	image:    true,
}

// A describer has the options of info.
type describer struct{ noMount, json bool }

type jsonInfo struct {
	Image    string       `json:"image"`
	OS       *jsonOS      `json:"os,omitempty"`
	Disks    []jsonDisk   `json:"disks"`
	Devices  []jsonDevice `json:"devices"`
	Problems []string     `json:"problems,omitempty"`
}

type jsonOS struct {
	Name     string      `json:"name,omitempty"`
	ID       string      `json:"id,omitempty"`
	Version  string      `json:"version,omitempty"`
	Hostname string      `json:"hostname,omitempty"`
	Mounts   []jsonMount `json:"mounts,omitempty"`
}

type jsonMount struct {
	Device  string `json:"device"`
	Path    string `json:"path"`
	Options string `json:"options,omitempty"`
}

type jsonDisk struct {
	Path       string `json:"path"`
	Name       string `json:"name"`
	Size       int64  `json:"size"`
	SectorSize int    `json:"sector_size"`
	Table      string `json:"table,omitempty"`
	UUID       string `json:"uuid,omitempty"`
}

type jsonDevice struct {
	Name      string         `json:"name"`
	Kind      string         `json:"kind"`
	Disk      int            `json:"disk"`
	Number    int            `json:"number,omitempty"`
	Start     int64          `json:"start"`
	Size      int64          `json:"size"`
	Partition *jsonPartition `json:"partition,omitempty"`
	Content   *jsonContent   `json:"content,omitempty"`
	Hint      string         `json:"hint,omitempty"`
}

type jsonPartition struct {
	Type     string `json:"type"`
	TypeName string `json:"type_name,omitempty"`
	Name     string `json:"name,omitempty"`
	UUID     string `json:"uuid,omitempty"`
	Bootable bool   `json:"bootable,omitempty"`
}

type jsonContent struct {
	Usage   string   `json:"usage,omitempty"`
	Type    string   `json:"type"`
	Version string   `json:"version,omitempty"`
	Label   string   `json:"label,omitempty"`
	UUID    string   `json:"uuid,omitempty"`
	Size    *uint64  `json:"size,omitempty"`
	Used    *uint64  `json:"used,omitempty"`
	Others  []string `json:"other_signatures,omitempty"`
}

func (i *describer) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("want one IMAGE")
	}
	t := parseTarget(args[0])
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
	for _, d := range o.img.Disks() {
		info.Disks = append(info.Disks, jsonDisk{d.Path, d.Name, d.Size, d.SectorSize, d.Table, d.UUID})
	}
	if mount {
		info.OS = o.system(info)
	}
	mountable := map[string]bool{}
	for _, d := range o.img.FileSystems() {
		mountable[d.Name] = true
	}
	for _, d := range o.img.Devices() {
		j := jsonDevice{Name: d.Name, Kind: string(d.Kind), Disk: d.Disk, Number: d.Number, Start: d.Start, Size: d.Size, Hint: o.img.Hint(d)}
		if p := d.Partition; p != nil {
			j.Partition = &jsonPartition{p.Type, p.TypeName, p.Name, p.UUID, p.Bootable}
		}
		if c := d.Content; c != nil && c.Type != "" {
			j.Content = &jsonContent{Usage: string(c.Usage), Type: c.Type, Version: c.Version, Label: c.Label, UUID: c.UUID, Others: c.Others}
			if mount && mountable[d.Name] {
				if st, err := o.statfs(d, unboot.Mount{}); err != nil {
					info.Problems = append(info.Problems, err.Error())
				} else {
					size, used := st.Blocks*uint64(st.Bsize), (st.Blocks-min(st.Bfree, st.Blocks))*uint64(st.Bsize)
					j.Content.Size, j.Content.Used = &size, &used
				}
			}
		}
		info.Devices = append(info.Devices, j)
	}
	return info
}

// system looks for the operating system. That there is none is no problem.
func (o *opened) system(info *jsonInfo) *jsonOS {
	root, err := o.img.MountOS()
	if err != nil {
		return nil
	}
	defer root.Unmount()
	info.Problems = append(info.Problems, root.Problems()...)
	s := &jsonOS{}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		data, err := root.ReadFile(name)
		if err != nil {
			continue
		}
		vars := shellVars(string(data))
		s.Name, s.ID, s.Version = vars["PRETTY_NAME"], vars["ID"], vars["VERSION_ID"]
		if s.Name == "" {
			s.Name = strings.TrimSpace(vars["NAME"] + " " + vars["VERSION"])
		}
		break
	}
	if s.Name == "" {
		if st, err := root.Stat("Windows/System32"); err == nil && st.IsDir() {
			s.Name, s.ID = "Windows", "windows"
		}
	}
	if data, err := root.ReadFile("etc/hostname"); err == nil && len(data) < 256 {
		line, _, _ := strings.Cut(string(data), "\n")
		s.Hostname = strings.TrimSpace(line)
	}
	for _, m := range root.Mounts() {
		s.Mounts = append(s.Mounts, jsonMount{m.Device, display(m.Dir), m.Data})
	}
	return s
}

// shellVars reads assignments as os-release(5) has them.
func shellVars(text string) map[string]string {
	vars := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		if strings.Contains(value, "\\") {
			value = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(value)
		}
		vars[key] = value
	}
	return vars
}

func (a *app) printInfo(info *jsonInfo) error {
	w := a.out
	if s := info.OS; s != nil {
		name := s.Name
		if name == "" {
			name = "unknown"
		}
		fmt.Fprintf(w, "operating system: %s", printable(name))
		if s.Hostname != "" {
			fmt.Fprintf(w, ", host name %s", printable(s.Hostname))
		}
		fmt.Fprintln(w)
		for _, m := range s.Mounts {
			opts := ""
			if m.Options != "" {
				opts = " (" + printable(m.Options) + ")"
			}
			fmt.Fprintf(w, "  %s on %s%s\n", m.Device, quote(m.Path), opts)
		}
		fmt.Fprintln(w)
	}
	for i, d := range info.Disks {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "disk %s: %s, %s, sectors of %d bytes", d.Name, quote(d.Path), human(uint64(d.Size)), d.SectorSize)
		if d.Table != "" {
			fmt.Fprintf(w, ", partition table %s", d.Table)
			if d.UUID != "" {
				fmt.Fprintf(w, " %s", d.UUID)
			}
		}
		fmt.Fprintln(w)
		t := &table{indent: "  ", right: []bool{false, true, true}}
		t.row("DEVICE", "START", "SIZE", "TYPE", "LABEL", "USED", "UUID", "PARTITION")
		rows := 0
		for _, dev := range info.Devices {
			if dev.Disk != i || dev.Kind == string(unboot.KindDisk) && dev.Content == nil {
				continue
			}
			t.row(deviceRow(&dev)...)
			rows++
		}
		if rows > 0 {
			w.WriteString(t.String())
		} else {
			fmt.Fprintln(w, "  nothing that is known")
		}
		for _, dev := range info.Devices {
			if dev.Disk == i && dev.Hint != "" {
				fmt.Fprintf(w, "  %s: %s\n", dev.Name, dev.Hint)
			}
		}
	}
	if len(info.Problems) > 0 {
		fmt.Fprintln(w, "\nproblems:")
		for _, p := range info.Problems {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimSpace(p), "\n", "\n    "))
		}
	}
	return nil
}

func deviceRow(d *jsonDevice) []string {
	row := []string{d.Name, human(uint64(d.Start)), human(uint64(d.Size)), "-", "-", "-", "-", ""}
	if c := d.Content; c != nil {
		row[3] = c.Type
		if c.Label != "" {
			row[4] = quote(c.Label)
		}
		if c.Used != nil && c.Size != nil && *c.Size > 0 {
			row[5] = human(*c.Used) + " " + strconv.FormatUint(uint64(float64(*c.Used)/float64(*c.Size)*100), 10) + "%"
		}
		if c.UUID != "" {
			row[6] = printable(c.UUID)
		}
	}
	if p := d.Partition; p != nil {
		typ := p.TypeName
		if typ == "" {
			typ = p.Type
		}
		row[7] = typ
		if p.Name != "" {
			row[7] += ", name " + quote(p.Name)
		}
		if p.Bootable {
			row[7] += ", bootable"
		}
	}
	return row
}

// printable returns text of an image for a terminal: as it is, if that is safe.
func printable(s string) string {
	if q := quote(s); strings.Contains(q, `$'\`) {
		return q
	}
	return s
}
