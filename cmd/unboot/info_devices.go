package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/volume"
)

// A jsonDisk is a disk. Sizes are in bytes, here and in the other types.
type jsonDisk struct {
	Path       string `json:"path"`
	Name       string `json:"name"`
	Size       int64  `json:"size"`
	SectorSize int    `json:"sector_size"`
	Table      string `json:"table,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	// Storage is nil where nothing is known of it.
	Storage *jsonStorage `json:"storage,omitempty"`
}

// A jsonDevice is a node of the graph of devices. Parents and children are names, since a
// graph in which a device has several parents is not a tree of JSON objects.
type jsonDevice struct {
	Name      string         `json:"name"`
	Aliases   []string       `json:"aliases,omitempty"`
	Kind      string         `json:"kind"`
	Size      int64          `json:"size"`
	Parents   []string       `json:"parents"`
	Children  []string       `json:"children"`
	Partition *jsonPartition `json:"partition,omitempty"`
	Volume    *jsonVolume    `json:"volume,omitempty"`
	Locked    *jsonLock      `json:"locked,omitempty"`
	Content   *jsonContent   `json:"content,omitempty"`
	Hint      string         `json:"hint,omitempty"`
}

// A jsonVolume is what the metadata says of a device that is made from others, or of one
// that cannot be made. Tables are left out: that of an encrypted volume has its key.
type jsonVolume struct {
	Name     string   `json:"name,omitempty"` // of the device mapper
	UUID     string   `json:"uuid,omitempty"`
	ReadOnly bool     `json:"read_only,omitempty"`
	Nodes    []string `json:"nodes,omitempty"`
	Problems []string `json:"problems,omitempty"`
}

// A jsonLock is what would open an encrypted volume that no key has opened.
type jsonLock struct {
	Format string        `json:"format"`
	Slots  []jsonKeySlot `json:"slots"`
	Tried  int           `json:"tried,omitempty"` // keys that do not fit
	Error  string        `json:"error,omitempty"`
}

type jsonKeySlot struct {
	ID          string `json:"id"`
	Kind        string `json:"kind,omitempty"`
	Description string `json:"description,omitempty"`
}

// A jsonInactive is a volume that cannot be used.
type jsonInactive struct {
	Kind    string     `json:"kind"`
	Size    int64      `json:"size"`
	Volume  jsonVolume `json:"volume"`
	Parents []string   `json:"parents"`
}

func newVolume(v *volume.Volume) *jsonVolume {
	if v == nil {
		return nil
	}
	return &jsonVolume{Name: v.Name, UUID: v.UUID, ReadOnly: v.ReadOnly, Nodes: v.Nodes, Problems: v.Problems}
}

func newLock(l *volume.Lock) *jsonLock {
	if l == nil {
		return nil
	}
	j := &jsonLock{Format: l.Format, Tried: l.Tried, Slots: []jsonKeySlot{}}
	if l.Err != nil {
		j.Error = l.Err.Error()
	}
	for _, s := range l.Slots {
		j.Slots = append(j.Slots, jsonKeySlot{s.ID, string(s.Kind), s.Descr})
	}
	return j
}

// newInactive returns the volumes that cannot be used.
func newInactive(img *unboot.Image) (list []jsonInactive) {
	for _, v := range img.Inactive() {
		j := jsonInactive{Kind: v.Kind, Size: v.Size, Volume: *newVolume(v.Volume), Parents: deviceNames(v.On)}
		if v.Err != nil {
			j.Volume.Problems = append(slices.Clone(v.Problems), v.Err.Error())
		}
		list = append(list, j)
	}
	return list
}

// String says, in one line, what cannot be used, and why.
func (v jsonInactive) String() string {
	name := v.Volume.Name
	if len(v.Volume.Nodes) > 0 {
		name = v.Volume.Nodes[0]
	}
	what := v.Kind
	if v.Size > 0 {
		what += ", " + human(uint64(v.Size))
	}
	return fmt.Sprintf("%s (%s): %s", quote(name), what, printable(strings.Join(v.Volume.Problems, "; ")))
}

// A jsonPartition is an entry of a partition table. Start is relative to the device that the
// table is on.
type jsonPartition struct {
	Number   int    `json:"number"`
	Start    int64  `json:"start"`
	Type     string `json:"type"`
	TypeName string `json:"type_name,omitempty"`
	Name     string `json:"name,omitempty"`
	UUID     string `json:"uuid,omitempty"`
	Bootable bool   `json:"bootable,omitempty"`
}

// A jsonContent is what was recognized on a device by its signatures, without mounting it,
// except for Size and Used.
type jsonContent struct {
	Usage   string `json:"usage,omitempty"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
	Label   string `json:"label,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	// Pointers, to distinguish an empty file system from one that was not mounted.
	Size   *uint64  `json:"size,omitempty"`
	Used   *uint64  `json:"used,omitempty"`
	Others []string `json:"other_signatures,omitempty"`
	// Subvolumes are those of a btrfs.
	Subvolumes []jsonSubvolume `json:"subvolumes,omitempty"`
}

// devices adds the disks and devices of an image, and how full the file systems are unless
// u is nil. A file system that cannot be mounted is a problem to report, and no reason to
// hide the others.
func (info *jsonInfo) devices(o *opened, u *usage) {
	for _, d := range o.img.Disks() {
		info.Disks = append(info.Disks, jsonDisk{Path: d.Path, Name: d.Name, Size: d.Size, SectorSize: d.SectorSize, Table: d.Table, UUID: d.UUID})
	}
	mountable := o.img.FileSystems()
	for _, d := range o.img.Devices() {
		j := jsonDevice{Name: d.Name, Aliases: d.Aliases, Kind: string(d.Kind), Size: d.Size,
			Parents: deviceNames(d.Parents()), Children: deviceNames(d.Children()), Hint: o.img.Hint(d),
			Volume: newVolume(d.Volume), Locked: newLock(d.Locked)}
		if p := d.Partition; p != nil {
			j.Partition = &jsonPartition{p.Number, p.Start, p.Type, p.TypeName, p.Name, p.UUID, p.Bootable}
		}
		if c := d.Content; c != nil && c.Type != "" {
			j.Content = &jsonContent{Usage: string(c.Usage), Type: c.Type, Version: c.Version, Label: c.Label, UUID: c.UUID, Others: c.Others}
			if u != nil && slices.Contains(mountable, d) {
				if size, used, err := u.of(d); err != nil {
					info.problems([]string{err.Error()})
				} else {
					j.Content.Size, j.Content.Used = &size, &used
					if j.Content.Subvolumes, err = u.subvolumes(d); err != nil {
						info.problems([]string{err.Error()})
					}
				}
			}
		}
		info.Devices = append(info.Devices, j)
	}
}

// deviceNames returns the names of devices. It is never nil, which would be null in JSON
// instead of an empty list.
func deviceNames(list []*unboot.Device) []string {
	names := []string{}
	for _, d := range list {
		names = append(names, d.Name)
	}
	return names
}

// printDisk prints a disk and what lies on it as a tree, in the manner of lsblk(8).
// What several disks have a part in is under each of them, and what lies on it under the
// first: seen has what was printed for those before.
func (a *app) printDisk(info *jsonInfo, d *jsonDisk, seen map[*jsonDevice]bool) {
	w := a.out
	fmt.Fprintf(w, "disk %s: %s, %s, sectors of %d bytes", d.Name, quote(d.Path), human(uint64(d.Size)), d.SectorSize)
	if d.Table != "" {
		fmt.Fprintf(w, ", partition table %s", d.Table)
		if d.UUID != "" {
			fmt.Fprintf(w, " %s", d.UUID)
		}
	}
	if s := d.Storage; s != nil && s.Format != "raw" {
		fmt.Fprintf(w, ", %s", s.Format)
	}
	fmt.Fprintln(w)
	d.Storage.print(a)
	tree := deviceTree{table: table{indent: "  ", right: []bool{false, false, true, true}}, byName: map[string]*jsonDevice{}, seen: seen}
	for i := range info.Devices {
		tree.byName[info.Devices[i].Name] = &info.Devices[i]
	}
	tree.table.row("DEVICE", "TYPE", "START", "SIZE", "FSTYPE", "LABEL", "USED", "UUID", "DETAILS")
	tree.add(d.Name, "", "")
	tree.table.dropEmpty()
	w.WriteString(tree.table.String())
	for _, dev := range tree.shown {
		if dev.Hint != "" {
			fmt.Fprintf(w, "  %s: %s\n", printable(dev.Name), printable(dev.Hint))
		}
		if how := keyExample(dev.Name, dev.Locked, dev.Content); how != "" {
			fmt.Fprintf(w, "    to open it: %s\n", how)
		}
	}
}

// A deviceTree prints a graph from one of its roots.
type deviceTree struct {
	table  table
	byName map[string]*jsonDevice
	seen   map[*jsonDevice]bool // in this tree or one before it
	shown  []*jsonDevice        // first in this tree
}

// add adds a device and what lies on it. branch is what is printed before its own name,
// and trunk before the names of its children.
func (t *deviceTree) add(name, branch, trunk string) {
	d := t.byName[name]
	if d == nil {
		return
	}
	row := deviceRow(branch+printable(name), d)
	// A device with several parents is printed under each of them, but what lies on it only
	// once: the number of paths in a graph can be exponential in that of devices.
	if t.seen[d] {
		if len(d.Children) > 0 {
			row[len(row)-1] = "see above"
		}
		t.table.row(row...)
		return
	}
	t.seen[d] = true
	t.table.row(row...)
	t.shown = append(t.shown, d)
	t.addSubvolumes(d, trunk)
	for i, child := range d.Children {
		if i < len(d.Children)-1 {
			t.add(child, trunk+"├─", trunk+"│ ")
		} else {
			t.add(child, trunk+"└─", trunk+"  ")
		}
	}
}

func deviceRow(name string, d *jsonDevice) []string {
	row := []string{name, d.Kind, "-", human(uint64(d.Size)), "-", "-", "-", "-", ""}
	if c := d.Content; c != nil {
		row[4] = c.Type
		if c.Label != "" {
			row[5] = quote(c.Label)
		}
		if c.Used != nil && c.Size != nil && *c.Size > 0 {
			row[6] = human(*c.Used) + " " + strconv.FormatUint(uint64(float64(*c.Used)/float64(*c.Size)*100), 10) + "%"
		}
		if c.UUID != "" {
			row[7] = printable(c.UUID)
		}
	}
	for _, alias := range d.Aliases {
		if strings.HasPrefix(alias, "/dev/md/") {
			row[8] = "name " + quote(strings.TrimPrefix(alias, "/dev/md/"))
		}
	}
	if p := d.Partition; p != nil {
		row[2] = human(uint64(p.Start))
		typ := p.TypeName
		if typ == "" {
			typ = p.Type
		}
		row[8] = typ
		if p.Name != "" {
			row[8] += ", name " + quote(p.Name)
		}
		if p.Bootable {
			row[8] += ", bootable"
		}
	}
	return row
}
