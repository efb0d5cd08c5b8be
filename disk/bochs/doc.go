// Package bochs reads the growing images of the Bochs emulator, as a [disk.Device] that cannot
// be written to. It follows the description of "growing" images in Bochs's documentation of
// its disk images, and QEMU's block/bochs.c.
//
// A catalog says where each extent of the disk is, and a bitmap before that which of its
// sectors were written: the others are zeros. Images of changes to another one ("undoable",
// "volatile") do not name that and are refused.
//
// # Hostile images
//
// An image names no other files. Catalog and bitmaps are read as they are needed, and kept
// in a cache of a fixed size. What cannot be is an error that wraps [ErrDamaged], at the time
// it is read.
package bochs
