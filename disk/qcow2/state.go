package qcow2

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// State says of an image what speaks against taking it from somebody who is not trusted, that it
// is marked as corrupt or has features that are not known here, and what is worth a note.
func State(d disk.Device) (reasons, notes []disk.Finding, err error) {
	h, err := ReadHeader(d)
	if err != nil {
		return nil, nil, err
	}
	if h.Corrupt {
		reasons = append(reasons, disk.Finding{Code: "corrupt", Text: "it is marked as corrupt"})
	}
	for _, name := range h.Unknown {
		reasons = append(reasons, disk.Finding{Code: "feature", Text: fmt.Sprintf("it has the feature %q, which is not known here", name)})
	}
	if h.Dirty {
		notes = append(notes, disk.Finding{Code: "dirty", Text: "it was not closed properly (dirty)"})
	}
	if h.Snapshots > 0 {
		notes = append(notes, disk.Finding{Code: "snapshots", Text: fmt.Sprintf("it has %d snapshots", h.Snapshots)})
	}
	return reasons, notes, nil
}
