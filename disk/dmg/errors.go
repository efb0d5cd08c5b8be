package dmg

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrFormat is returned for what is not a disk image of Apple's.
	ErrFormat = errors.New("not a UDIF image (dmg)")
	// ErrDamaged is returned for an image that says what cannot be.
	ErrDamaged = errors.New("damaged UDIF image (dmg)")
	// ErrSegments is returned for an image in several files.
	ErrSegments = errors.New("the image is in several segments (.dmgpart), which are not read here; join them on a Mac: hdiutil convert")
)

var damage = readonly.Damage{Err: ErrDamaged}
