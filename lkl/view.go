package lkl

import "golang.org/x/sys/unix"

// A View is a set of system calls in which "/" is a certain directory of the
// kernel, and ".." and symbolic links do not lead out of it: as chroot(2) for
// each call by itself. It has no state but that and may be used by any number
// of goroutines. A [Kernel] is the View of the kernel's whole name space.
//
// Methods have the names and the argument order of package
// golang.org/x/sys/unix and do what section 2 of the Linux manual says of the
// system call. Their errors are unix.Errno, so that errors.Is works with both
// unix.ENOENT and fs.ErrNotExist, until the kernel has ended: then they are
// what [Kernel.Err] returns.
//
// A path is limited to 4095 bytes (unix.ENAMETOOLONG) and must not hold a NUL
// (unix.EINVAL). The working directory is the kernel's root and cannot be
// changed.
//
// A []byte that is memory of a [Buffer] is passed to the kernel as it is. Any
// other is copied.
//
// The calls are those of root, with all its capabilities and an umask of 0,
// unless the View is one of [View.As].
type View struct {
	k    *Kernel
	root int32
	as   *abiIdentity // nil: root
	of   *View        // what it was made of by As, and keeps; or nil
}

// Chroot returns a View in which "/" is the directory that fd, a descriptor
// of the kernel, refers to. fd must stay open as long as the View is used;
// the View does not own it. A View is reachable for the garbage collector as long
// as one of its methods runs, so it is safe to close fd by runtime.AddCleanup.
func (k *Kernel) Chroot(fd int) *View { return &View{k: k, root: int32(fd)} }

// Kernel returns the kernel that the view belongs to.
func (v *View) Kernel() *Kernel { return v.k }

// call makes a system call whose arguments are only numbers.
func (v *View) call(nr int32, args ...uint64) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	return c.do(nr, args...)
}

// callPath makes a system call whose first argument is a path.
func (v *View) callPath(nr int32, path string, args ...uint64) (int, error) {
	c, p, err := v.beginPath(path)
	if err != nil {
		return -1, err
	}
	defer c.end()
	a := [6]uint64{p}
	return c.do(nr, a[:1+copy(a[1:], args)]...)
}

// callAt makes a system call whose first arguments are a descriptor and a
// path that starts there.
func (v *View) callAt(nr int32, fd int, path string, args ...uint64) (int, error) {
	c, p, err := v.beginPath(path)
	if err != nil {
		return -1, err
	}
	defer c.end()
	a := [6]uint64{uint64(fd), p}
	return c.do(nr, a[:2+copy(a[2:], args)]...)
}

// callTwo makes a system call whose arguments are two such pairs, and flags.
func (v *View) callTwo(nr int32, oldfd int, oldpath string, newfd int, newpath string, flags uint64) error {
	c, o, err := v.beginPath(oldpath)
	if err != nil {
		return err
	}
	defer c.end()
	n, err := c.path(newpath)
	if err != nil {
		return err
	}
	_, err = c.do(nr, uint64(oldfd), o, uint64(newfd), n, flags)
	return err
}

// errorOf is the error of a system call whose result says nothing else.
func errorOf(_ int, err error) error { return err }

// openFlags translates the host's flags of open(2) to the generic ones.
func openFlags(flags int) uint64 {
	const permuted = unix.O_DIRECT | unix.O_DIRECTORY | unix.O_NOFOLLOW
	g := uint64(flags) &^ permuted
	if unix.O_DIRECT == genericODirect { // as on amd64: no permutation
		return uint64(flags) | genericOLargefile
	}
	if flags&unix.O_DIRECT != 0 {
		g |= genericODirect
	}
	if flags&unix.O_DIRECTORY == unix.O_DIRECTORY {
		g |= genericODirectory
	}
	if flags&unix.O_NOFOLLOW != 0 {
		g |= genericONofollow
	}
	return g | genericOLargefile
}
