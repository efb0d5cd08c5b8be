package unboot

import (
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/bcache"
	"github.com/unboot/unboot/volume/bitlocker"
	"github.com/unboot/unboot/volume/fvault"
	"github.com/unboot/unboot/volume/integrity"
	"github.com/unboot/unboot/volume/ldm"
	"github.com/unboot/unboot/volume/luks"
	"github.com/unboot/unboot/volume/lvm"
	"github.com/unboot/unboot/volume/md"
	"github.com/unboot/unboot/volume/plain"
	"github.com/unboot/unboot/volume/super"
	"github.com/unboot/unboot/volume/tcrypt"
	"github.com/unboot/unboot/volume/verity"
)

// volumeTypes are the kinds of volumes that are found by themselves, in the order in which
// they are asked: what usually lies below others comes first.
var volumeTypes = []*volume.Type{
	&md.Type,
	&ldm.Type,
	&bcache.Type,
	&luks.Type,
	&bitlocker.Type,
	&fvault.Type,
	&lvm.Type,
	&integrity.Type,
	&verity.Type,
	&super.Type,
	&tcrypt.Type,
	&plain.Type,
	&luks.Detached,
}

// Bounds on what an image can make the kernel set up.
const (
	maxDevices = 4096
	maxLevels  = 64
)

// An Inactive volume is one that the metadata describes and the kernel does not show.
type Inactive struct {
	*volume.Volume
	// On has the devices that it lies on, as far as the image has them.
	On []*Device
	// Err says why it could not be set up, if it is not one of the Problems; or is nil.
	Err error
}

// label returns the name that users know.
func (v *Inactive) label() string {
	if len(v.Nodes) > 0 {
		return v.Nodes[0]
	}
	return v.Name
}

// reason says in one line why it cannot be used.
func (v *Inactive) reason() string {
	list := slices.Clone(v.Problems)
	if v.Err != nil {
		list = append(list, v.Err.Error())
	}
	return strings.Join(list, "; ")
}

// Inactive returns the volumes that the image has and that cannot be used: because a
// member is missing, for what their Problems say, or because of [Image.Deactivate]. What is locked is not among them: see
// [Device.Locked].
func (img *Image) Inactive() []Inactive { return slices.Clone(img.found.Load().inactive) }

// A loaded volume is one that the kernel has.
type loaded struct {
	plan   *volume.Volume
	name   string   // for the device mapper; "" of an array
	array  int      // the number of an array
	node   string   // the kernel's own: /dev/dm-0
	number string   // 253:0
	table  []string // as it was loaded, with the numbers of what it lies on
	links  []string // in /dev, the one that names the device first
}

// volumeKey identifies a volume through a rescan.
func volumeKey(v *volume.Volume) string {
	if v.Array != nil {
		return "md " + v.UUID
	}
	return "dm " + v.Name
}

// loadedAs returns the volume that the kernel has for a plan, or nil.
func (img *Image) loadedAs(v *volume.Volume) *loaded {
	for _, l := range img.loaded {
		// As their keys are the same, which would take longer to make.
		isArray := l.plan.Array != nil
		if isArray == (v.Array != nil) && (isArray && l.plan.UUID == v.UUID || !isArray && l.plan.Name == v.Name) {
			return l
		}
	}
	return nil
}
