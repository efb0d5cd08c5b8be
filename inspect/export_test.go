package inspect

// What tests need that join this package to the root package, which imports it.
var (
	GuestfsTrees = guestfsTrees
	DiskDevice   = diskDevice
)
