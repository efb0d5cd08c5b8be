package compressed

import (
	"errors"

	"github.com/unboot/unboot/disk/internal/readonly"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrDamaged is returned for what does not decompress.
	ErrDamaged = errors.New("damaged compressed image")
	// ErrSpace is returned for an image that has to be decompressed to a temporary file,
	// for which there is no room.
	ErrSpace = errors.New("no space to decompress the image to")
)

var damage = readonly.Damage{Err: ErrDamaged}

// errNoIndex says that a file has no pieces which can be read alone.
var errNoIndex = errors.New("no index")
