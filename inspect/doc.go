// Package inspect tells what operating system is in a tree of files or on the devices
// of a disk image.
package inspect
