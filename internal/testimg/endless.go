package testimg

import "encoding/binary"

// Endless returns a romfs that never ends: its root has one file, "a", after which the list of
// files begins anew. Linux's driver finds "a", and looks for any other name forever, in one call.
//
// The format: https://docs.kernel.org/filesystems/romfs.html
func Endless() []byte {
	const (
		root, file = 32, 64
		directory  = 1
		regular    = 2
		executable = 8
	)
	b := make([]byte, 1024)
	be := binary.BigEndian
	header := func(at int, next, info, size uint32, name string) {
		be.PutUint32(b[at:], next)
		be.PutUint32(b[at+4:], info)
		be.PutUint32(b[at+8:], size)
		copy(b[at+16:at+32], name)
		seal(b[at:at+32], 12)
	}
	header(root, file|directory|executable, root, 0, ".")
	header(file, file|regular, 0, 2, "a")
	copy(b[file+32:], "a\n")
	copy(b, "-rom1fs-")
	be.PutUint32(b[8:], uint32(len(b)))
	copy(b[16:32], "endless")
	seal(b[:512], 12)
	return b
}

// seal makes the sum of the big-endian words of b zero, by the word at an offset.
func seal(b []byte, at int) {
	var sum uint32
	for i := 0; i < len(b); i += 4 {
		sum += binary.BigEndian.Uint32(b[i:])
	}
	binary.BigEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:])-sum)
}
