package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/unboot/unboot"
)

// A jsonSubvolume is a subvolume or a snapshot of a btrfs.
type jsonSubvolume struct {
	ID           uint64 `json:"id"`
	Parent       uint64 `json:"parent"` // the ID of the one that it lies in
	Path         string `json:"path"`   // from the top level
	PathBytes    string `json:"path_bytes,omitempty"`
	UUID         string `json:"uuid,omitempty"`
	ParentUUID   string `json:"parent_uuid,omitempty"`
	ReceivedUUID string `json:"received_uuid,omitempty"`
	Generation   uint64 `json:"generation"`
	Created      uint64 `json:"created"` // the transaction
	CreationTime string `json:"creation_time,omitempty"`
	ReadOnly     bool   `json:"read_only"`
	Default      bool   `json:"default"`
}

func newJSONSubvolume(v *unboot.Subvolume) jsonSubvolume {
	created := ""
	if !v.Creation.IsZero() {
		created = v.Creation.Format(time.RFC3339)
	}
	return jsonSubvolume{
		ID: v.ID, Parent: v.Parent, Path: v.Path, PathBytes: notUTF8(v.Path), UUID: v.UUID, ParentUUID: v.ParentUUID,
		ReceivedUUID: v.ReceivedUUID, Generation: v.Generation, Created: v.Created, CreationTime: created,
		ReadOnly: v.ReadOnly, Default: v.Default,
	}
}

// line is how btrfs-subvolume(8) lists it.
func (j *jsonSubvolume) line() string {
	return fmt.Sprintf("ID %d gen %d top level %d path %s\n", j.ID, j.Generation, j.Parent, quote(j.Path))
}

func (s *subvolumes) list(a *app, arg string) error {
	o, t, err := a.target(arg, false)
	if err != nil {
		return err
	}
	volumes, err := o.fs.Subvolumes(t.clean())
	if err != nil {
		return o.about(t.clean(), notBtrfs(err))
	}
	list := &jsonList{a: a}
	for i := range volumes {
		j := newJSONSubvolume(&volumes[i])
		if s.json {
			list.add(j)
		} else if _, err := a.out.WriteString(j.line()); err != nil {
			return err
		}
	}
	if s.json {
		list.end()
	}
	return nil
}

// oneSubvolume returns the subvolume that an argument is in.
func oneSubvolume(a *app, arg string) (*unboot.Subvolume, error) {
	o, t, err := a.target(arg, false)
	if err != nil {
		return nil, err
	}
	name, err := o.existing(t)
	if err != nil {
		return nil, o.aboutTarget(t, err)
	}
	v, err := o.fs.Subvolume(name)
	return v, o.about(name, notBtrfs(err))
}

// show prints a subvolume with the words of btrfs-subvolume(8).
func (s *subvolumes) show(a *app, arg string) error {
	v, err := oneSubvolume(a, arg)
	if err != nil {
		return err
	}
	j := newJSONSubvolume(v)
	if s.json {
		list := &jsonList{a: a}
		list.add(j)
		list.end()
		return nil
	}
	flags := "-"
	if j.ReadOnly {
		flags = "readonly"
	}
	t := &table{indent: "  "}
	row := func(name, value string) { t.row(name+":", cmp.Or(value, "-")) }
	row("UUID", j.UUID)
	row("Parent UUID", j.ParentUUID)
	row("Received UUID", j.ReceivedUUID)
	row("Creation time", j.CreationTime)
	row("Subvolume ID", fmt.Sprint(j.ID))
	row("Generation", fmt.Sprint(j.Generation))
	row("Gen at creation", fmt.Sprint(j.Created))
	row("Top level ID", fmt.Sprint(j.Parent))
	row("Flags", flags)
	row("Default", map[bool]string{true: "yes", false: "no"}[j.Default])
	_, err = fmt.Fprintf(a.out, "%s\n%s", quote(cmp.Or(j.Path, "/")), t)
	return err
}

func (s *subvolumes) getDefault(a *app, arg string) error {
	o, t, err := a.target(arg, false)
	if err != nil {
		return err
	}
	volumes, err := o.fs.Subvolumes(t.clean())
	if err != nil {
		return o.about(t.clean(), notBtrfs(err))
	}
	line := "ID 5 (FS_TREE)\n"
	for i := range volumes {
		if v := newJSONSubvolume(&volumes[i]); v.Default {
			line = v.line()
		}
	}
	_, err = a.out.WriteString(line)
	return err
}
