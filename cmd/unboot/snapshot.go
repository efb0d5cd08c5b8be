package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

var snapshotCommand = command{
	name:     "snapshot",
	short:    "snapshots that an image keeps itself",
	synopsis: []string{"list [--json] IMAGE", "create IMAGE NAME", "delete IMAGE NAME", "apply IMAGE NAME"},
	brief:    "VERB IMAGE [NAME]",
	long: `Does with the internal snapshots of a qcow2 image what "qemu-img snapshot" does. A
snapshot is named by its name or, if none has that name, by its ID.

create keeps the current state of the disk; what a running guest has in its memory is not
part of it. apply makes the disk what it was in a snapshot: what it is now is lost, if no
other snapshot has it. delete forgets a snapshot, and leaves the disk as it is.

To read what is in a snapshot, every command that opens images has the option --snapshot.
`,
	args:  []kind{kindVerb, kindImage, kindNone},
	verbs: snapshotVerbs,
	options: func(f *flagSet) runFunc {
		s := &snapshots{}
		f.string(&s.format, "f", "format", "FORMAT", "format of the image, if it should not be detected").among(source.Names()...)
		f.bool(&s.backing, "", "backing-files", "let an image name other files: if you trust it")
		f.bool(&s.json, "", "json", "list: print a JSON list")
		s.keys.options(f)
		return s.run
	},
	examples: []string{
		"unboot snapshot create disk.qcow2 before-upgrade",
		"unboot cat --snapshot before-upgrade disk.qcow2:/etc/fstab",
		"unboot snapshot apply disk.qcow2 before-upgrade",
	},
}

var snapshotVerbs = []string{"list", "create", "delete", "apply"}

// snapshots has the options of snapshot.
type snapshots struct {
	format        string
	backing, json bool
	keys          keys
}

// A jsonSnapshot is an internal snapshot of an image.
type jsonSnapshot struct {
	ID          string `json:"id"`
	IDBytes     string `json:"id_bytes,omitempty"`
	Name        string `json:"name"`
	NameBytes   string `json:"name_bytes,omitempty"`
	Date        string `json:"date"`
	Size        int64  `json:"size"`
	VMStateSize int64  `json:"vm_state_size"`
	VMClock     int64  `json:"vm_clock_ns"`
}

func newJSONSnapshot(s *disk.Snapshot) jsonSnapshot {
	return jsonSnapshot{
		ID: s.ID, IDBytes: notUTF8(s.ID), Name: s.Name, NameBytes: notUTF8(s.Name), Date: s.Date.UTC().Format(time.RFC3339Nano),
		Size: s.Size, VMStateSize: s.VMStateSize, VMClock: int64(s.VMClock),
	}
}

// run does what the first argument says.
func (s *snapshots) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("expected one of %s", strings.Join(snapshotVerbs, ", "))
	}
	verb, args := args[0], args[1:]
	switch {
	case !slices.Contains(snapshotVerbs, verb):
		return badUsage("no %s of snapshots%s", quote(verb), didYouMean(nearest(verb, snapshotVerbs)))
	case len(args) == 0:
		return badUsage("no IMAGE given")
	case verb == "list" && len(args) != 1:
		return badUsage("expected one IMAGE")
	case verb != "list" && len(args) != 2:
		return badUsage("expected an IMAGE and a NAME")
	}
	d, err := s.open(a, args[0], verb != "list")
	if err != nil {
		return openError(disk.Display(args[0]), err)
	}
	err = s.do(a, d, verb, args[1:])
	if e := d.Close(); err == nil {
		err = e
	}
	if err != nil {
		return openError(disk.Display(args[0]), err)
	}
	return nil
}

// open opens an image.
func (s *snapshots) open(a *app, image string, write bool) (disk.Device, error) {
	a.awaitWriters(image, write)
	o := source.Options{Writable: write, Format: s.format, Unlock: unboot.Unlock(a.life, unboot.Keys(s.keys.key))}
	if s.backing {
		o.Allow = func(disk.Reference) error { return nil }
	}
	if write {
		a.willWrite()
	}
	return source.Open(a.life, image, o)
}

// do does something with the snapshots of an image.
func (s *snapshots) do(a *app, d disk.Device, verb string, args []string) error {
	of, ok := disk.As[disk.Snapshotter](d)
	if !ok {
		return disk.ErrNoSnapshots
	}
	switch verb {
	case "create":
		date, err := sourceDate()
		if err != nil {
			return err
		}
		_, err = of.CreateSnapshot(disk.Snapshot{Name: args[0], Date: date})
		return err
	case "delete":
		return of.DeleteSnapshot(args[0])
	case "apply":
		return of.ApplySnapshot(args[0])
	}
	list, err := of.Snapshots()
	if err != nil {
		return err
	}
	if s.json {
		l := &jsonList{a: a}
		for i := range list {
			l.add(newJSONSnapshot(&list[i]))
		}
		l.end()
		return nil
	}
	if len(list) == 0 {
		return nil
	}
	t := &table{right: []bool{false, false, false, true, true}}
	t.row("ID", "NAME", "DATE", "SIZE", "VM STATE")
	for _, v := range list {
		state := "-"
		if v.VMStateSize > 0 {
			state = human(uint64(v.VMStateSize))
		}
		t.row(printable(v.ID), printable(v.Name), v.Date.Format(time.DateTime), human(uint64(v.Size)), state)
	}
	t.dropEmpty()
	_, err = fmt.Fprint(a.out, t)
	return err
}
