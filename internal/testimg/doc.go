// Package testimg makes real disk images for tests, with the tools that
// administrators use: mke2fs, mkfs.xfs, mksquashfs, mmdebstrap and so on.
//
// # Images are shared
//
// An image is built once per machine and kept in a cache ($UNBOOT_TESTIMG, or
// unboot/testimg in the user's cache directory), under a name that contains a
// hash of everything that went into it. What [FS], [Debian] and [UsrShare]
// return is the cached file itself, which is why it must not change: the
// helper looks when the test ends, and fails the test and drops the image if
// it did. A test that writes takes a copy first:
//
//	img := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
//
// # What a host lacks
//
// A missing tool or missing privilege skips the test and says which. No image
// of [FS] needs root; [Debian] does (mmdebstrap, and files of many owners),
// and so does [Loop], the host kernel's own opinion of an image.
//
// # The odd tree
//
// Images made with Options.Tree hold [OddTree]: names that are hard to quote,
// all kinds of nodes, holes, hard links, old and future times. [TreeFor] is
// the part of it that a file system type can hold, so that a test walks the
// one and compares it with the other.
package testimg
