package disk

import "fmt"

// ExtentKind is how a part of a disk is stored.
type ExtentKind uint8

// The kinds of extents.
const (
	Hole       ExtentKind = iota // nowhere in the image: it reads as zeros
	Zero                         // said to be zeros
	Data                         // in a file as it is
	Compressed                   // in a file, compressed
)

func (k ExtentKind) String() string {
	switch k {
	case Hole:
		return "hole"
	case Zero:
		return "zero"
	case Data:
		return "data"
	case Compressed:
		return "compressed"
	}
	return fmt.Sprintf("ExtentKind(%d)", uint8(k))
}

// Extent is a part of a disk that is stored in one way.
type Extent struct {
	Start int64 // bytes from the start of the disk
	Size  int64 // bytes
	Kind  ExtentKind
	// Depth is the number of the image in the chain that has it: 0 for the image
	// itself, 1 for its backing file. Of a Hole, it is that of the last image that
	// was asked.
	Depth int
	// Offset is where the bytes of Data are in the image's file, or in its data
	// file. It is 0 for other kinds.
	Offset int64
}
