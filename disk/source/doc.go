// Package source opens what a user calls an image: it gets at the bytes by a [Transport],
// finds out the [Format], and opens the other files that the image names, as far as the
// caller allows it. All of that is a [disk.Device] in the end.
//
// The formats and transports that are known stand in two lists, in list.go. A package
// that reads a format, or talks to a server, knows nothing of this one: it has functions
// of the types that [Format] and [Transport] want, of which a line in a list makes one
// that every part of the program knows.
//
// # Hostile images
//
// An image names other files, and whoever made the image chose these names. There is one
// rule for all of them, be it backing files, extents or parents, and whatever the format:
// the caller's [Options.Allow] is asked about the path on the host. A name that is not one
// of a file of this host (nbd://…, json:…) is refused, and so is every name in an image
// that is not itself a file of this host. Chains have at most [MaxDepth] links, and
// images consist of at most [MaxFiles] files; an image that names itself ends there.
//
// Unlike QEMU, it does not take an image in a format that it does not know for a raw one:
// what it recognizes is refused with a [*disk.FormatError].
package source
