package below

import "github.com/unboot/unboot/disk"

// Opened returns what the New of a format has opened as the Open of the format is to return
// it: no device if there is an error, and not one that is nil.
func Opened[T disk.Device](m T, err error) (disk.Device, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}
