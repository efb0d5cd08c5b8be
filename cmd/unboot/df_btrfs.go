package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/unboot/unboot"
)

// A jsonUsage is the usage of a btrfs: an unboot.BtrfsUsage.
type jsonUsage struct {
	Size          uint64        `json:"size"`
	Allocated     uint64        `json:"allocated"`
	Unallocated   uint64        `json:"unallocated"`
	Missing       uint64        `json:"missing"`
	Used          uint64        `json:"used"`
	Free          uint64        `json:"free"`
	FreeMin       uint64        `json:"free_min"`
	DataRatio     float64       `json:"data_ratio"`
	MetadataRatio float64       `json:"metadata_ratio"`
	Reserve       uint64        `json:"global_reserve"`
	ReserveUsed   uint64        `json:"global_reserve_used"`
	Profiles      []jsonProfile `json:"profiles"`
	Devices       []jsonMember  `json:"devices"`
}

// A jsonProfile is the space of a btrfs for one purpose.
type jsonProfile struct {
	Purpose   string `json:"purpose"`
	Profile   string `json:"profile"`
	Size      uint64 `json:"size"`
	Used      uint64 `json:"used"`
	Allocated uint64 `json:"allocated"`
}

// A jsonMember is a device of a btrfs.
type jsonMember struct {
	Device    string `json:"device,omitempty"`
	Size      uint64 `json:"size"`
	Allocated uint64 `json:"allocated"`
}

// newJSONUsage returns nil for nil, which other file systems have.
func newJSONUsage(u *unboot.BtrfsUsage) *jsonUsage {
	if u == nil {
		return nil
	}
	j := &jsonUsage{
		Size: u.Size, Allocated: u.Allocated, Unallocated: u.Unallocated, Missing: u.Missing, Used: u.Used, Free: u.Free,
		FreeMin: u.FreeMin, DataRatio: u.DataRatio, MetadataRatio: u.MetadataRatio, Reserve: u.Reserve, ReserveUsed: u.ReserveUsed,
		Profiles: []jsonProfile{}, Devices: []jsonMember{},
	}
	for _, p := range u.Profiles {
		j.Profiles = append(j.Profiles, jsonProfile(p))
	}
	for _, d := range u.Devices {
		j.Devices = append(j.Devices, jsonMember{d.Path, d.Size, d.Allocated})
	}
	return j
}

// print writes the usage with the words of `btrfs filesystem usage`.
func (j *jsonUsage) print(w io.Writer, device string, size func(uint64) string) {
	t := &table{indent: "  ", right: []bool{false, true}}
	t.row("Device size:", size(j.Size))
	t.row("Device allocated:", size(j.Allocated))
	t.row("Device unallocated:", size(j.Unallocated))
	t.row("Device missing:", size(j.Missing))
	t.row("Used:", size(j.Used))
	t.row("Free (estimated):", size(j.Free))
	t.row("Free (min):", size(j.FreeMin))
	t.row("Data ratio:", fmt.Sprintf("%.2f", j.DataRatio))
	t.row("Metadata ratio:", fmt.Sprintf("%.2f", j.MetadataRatio))
	t.row("Global reserve:", size(j.Reserve))
	t.row("Global reserve used:", size(j.ReserveUsed))
	fmt.Fprintf(w, "\n%s:\n%s", quote(device), t)
	t = &table{indent: "  ", right: []bool{false, true, true, true}}
	t.row("Profile", "Size", "Used", "Allocated")
	for _, p := range j.Profiles {
		t.row(p.Purpose+", "+p.Profile, size(p.Size), size(p.Used), size(p.Allocated))
	}
	fmt.Fprint(w, t)
	t = &table{indent: "  ", right: []bool{false, true, true}}
	t.row("Device", "Size", "Allocated")
	for _, d := range j.Devices {
		t.row(cmp.Or(d.Device, "missing"), size(d.Size), size(d.Allocated))
	}
	fmt.Fprint(w, t)
}
