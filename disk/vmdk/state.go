package vmdk

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// State says of an image what speaks against taking it from somebody who is not trusted. A
// descriptor that is embedded in an extent, and is about more than that, is read one way here and
// another way by other programs, which open what it names.
func State(d disk.Device) (reasons, notes []disk.Finding, err error) {
	desc, g, h, err := readImage(d)
	if err != nil || g == nil {
		return nil, nil, err
	}
	embedded := len(desc.extents) == 1 && desc.extents[0].kind == "SPARSE"
	switch desc.createType {
	case "monolithicSparse", "streamOptimized":
	default:
		embedded = false
	}
	if !embedded {
		reasons = append(reasons, disk.Finding{Code: "reference", Text: fmt.Sprintf("its descriptor is of the type %q with %d extents, and not of what is in the file", desc.createType, len(desc.extents))})
	}
	if h != nil && h.unclean {
		notes = append(notes, disk.Finding{Code: "dirty", Text: "it was not closed properly (unclean shutdown)"})
	}
	return reasons, notes, nil
}
