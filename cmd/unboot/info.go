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
	if mount {
		info.OS = o.system(info)
	}
	info.devices(o, mount)
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
	for i := range info.Disks {
		if i > 0 {
			fmt.Fprintln(w)
		}
		a.printDisk(info, &info.Disks[i])
	}
	if len(info.Problems) > 0 {
		fmt.Fprintln(w, "\nproblems:")
		for _, p := range info.Problems {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimSpace(p), "\n", "\n    "))
		}
	}
	return nil
}

// printable returns text of an image for a terminal: as it is, if that is safe.
func printable(s string) string {
	if q := quote(s); strings.Contains(q, `$'\`) {
		return q
	}
	return s
}
