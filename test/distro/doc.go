// Package distro runs programs of real distributions on the library kernel and in a chroot
// on the host's loop mount of the same image, and compares what becomes of them: output,
// exit status, and the tree afterwards. testdata/programs.tsv is the list; what is known to
// differ is in testdata/known.tsv, with the reason.
//
// It takes UNBOOT_TEST_ALL: the programs that a minimal Debian has; all of them, on a guest of
// 2 GB that is made once, which takes some minutes; and the installation of 20 packages from a
// server of the host.
package distro
