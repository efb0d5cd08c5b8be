package disk

// Traffic is what has gone over a network for a device.
type Traffic struct {
	Requests int64 // that were sent, with those that were repeated
	Received int64 // bytes of content
	Sent     int64 // bytes of content
}

// A Meter counts what goes over a network for the device.
type Meter interface {
	Traffic() Traffic
}
