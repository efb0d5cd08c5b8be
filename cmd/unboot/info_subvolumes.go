package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot"
)

// maxSubvolumes bounds how many subvolumes of a device are printed: a system that makes a
// snapshot every hour has thousands. --json has all of them.
const maxSubvolumes = 32

// subvolumes lists those of a btrfs. Of one that has several devices, the first has them.
func (u *usage) subvolumes(d *unboot.Device) ([]jsonSubvolume, error) {
	if pool := d.Pool(); d.Content.Type != "btrfs" || len(pool) > 0 && pool[0] != d {
		return nil, nil
	}
	f, dir, err := u.where(d)
	if err != nil {
		return nil, err
	}
	volumes, err := f.Subvolumes(dir)
	var list []jsonSubvolume
	for i := range volumes {
		list = append(list, newJSONSubvolume(&volumes[i]))
	}
	return list, err
}

// addSubvolumes adds a row for each subvolume of a device.
func (t *deviceTree) addSubvolumes(d *jsonDevice, trunk string) {
	if d.Content == nil {
		return
	}
	list := d.Content.Subvolumes
	byUUID := map[string]string{}
	for _, v := range list {
		if v.UUID != "" {
			byUUID[v.UUID] = v.Path
		}
	}
	for i := range list {
		v := &list[i]
		branch := trunk + "├─"
		if i == len(list)-1 && len(d.Children) == 0 {
			branch = trunk + "└─"
		}
		if i == maxSubvolumes && len(list) > maxSubvolumes+1 {
			t.table.row(branch+fmt.Sprintf("%d more", len(list)-i), "subvolume", "-", "-", "-", "-", "-", "-", "")
			return
		}
		about := []string{fmt.Sprintf("ID %d", v.ID)}
		if of, ok := byUUID[v.ParentUUID]; ok {
			about = append(about, "snapshot of "+quote(of))
		}
		if v.ReadOnly {
			about = append(about, "read-only")
		}
		if v.Default {
			about = append(about, "default")
		}
		row := []string{branch + quote(v.Path), "subvolume", "-", "-", "-", "-", "-", v.UUID, strings.Join(about, ", ")}
		if v.UUID == "" {
			row[7] = "-"
		}
		t.table.row(row...)
	}
}
