package server

// mountable returns the name of a subvolume of btrfs.
func mountable(device, subvolume string) string { return volumePrefix + device + "/" + subvolume }
