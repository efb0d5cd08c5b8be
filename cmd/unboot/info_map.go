package main

import (
	"encoding/json"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// A jsonExtent is a part of a disk that is stored in one way.
type jsonExtent struct {
	Start  int64  `json:"start"`
	Size   int64  `json:"size"`
	Kind   string `json:"kind"`
	Depth  int    `json:"depth"`
	Offset *int64 `json:"offset,omitempty"`
}

// printMap lists how an image stores its disk. No kernel is started for it. The list may be
// long, so it is written as it is read.
func (a *app) printMap(image string, asJSON bool) error {
	d, err := (&diskOpener{}).open(a, image)
	if err != nil {
		return err
	}
	defer d.Close()
	name := quote(disk.Display(image))
	e, ok := disk.As[disk.Extenter](d)
	if !ok {
		return fmt.Errorf("%s: the format does not say what it stores where", name)
	}
	write, end := a.mapText, func() {}
	if asJSON {
		separator := "["
		write = func(e disk.Extent) error {
			j := jsonExtent{Start: e.Start, Size: e.Size, Kind: e.Kind.String(), Depth: e.Depth}
			if e.Kind == disk.Data {
				j.Offset = &e.Offset
			}
			b, err := json.Marshal(j)
			if err == nil {
				_, err = fmt.Fprintf(a.out, "%s\n  %s", separator, b)
			}
			separator = ","
			return err
		}
		end = func() { fmt.Fprintln(a.out, "\n]") }
	}
	var last disk.Extent
	for x, err := range e.Extents(0, d.Size()) {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if a.interrupted() {
			return nil
		}
		if continues(last, x) {
			last.Size += x.Size
			continue
		}
		if last.Size > 0 {
			if err := write(last); err != nil {
				return err
			}
		}
		last = x
	}
	if last.Size > 0 {
		if err := write(last); err != nil {
			return err
		}
	}
	end()
	return nil
}

// continues reports whether an extent is the rest of another one.
func continues(e, next disk.Extent) bool {
	return e.Size > 0 && e.Kind == next.Kind && e.Depth == next.Depth && (e.Kind != disk.Data || e.Offset+e.Size == next.Offset)
}

func (a *app) mapText(e disk.Extent) error {
	offset := "-"
	if e.Kind == disk.Data {
		offset = fmt.Sprint(e.Offset)
	}
	_, err := fmt.Fprintf(a.out, "%d\t%d\t%s\t%d\t%s\n", e.Start, e.Size, e.Kind, e.Depth, offset)
	return err
}
